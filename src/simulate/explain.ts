/** From resources and a request to the decision and why: what `lateen explain` and the admin API answer. */
import { compile } from '../config/compile/index.ts';
import { secretNames, secretsOf } from '../config/secrets.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { valuesName } from '../lib/secret-values.ts';
import type { Resource } from '../model/api.ts';
import type { Place } from '../model/diagnostic.ts';
import type { TraceStep } from '../model/exchange.ts';
import type { PolicyCompiler } from '../model/policy.ts';
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  Origin,
  ProxyScope,
} from '../model/snapshot.ts';
import { filters } from '../presets/node.ts';
import { adviceOn } from './advice.ts';
import type { SimulatedDecision, SimulatedRequest } from './index.ts';
import { link, simulate } from './index.ts';

type Values = Readonly<Record<string, string>>;

interface Question {
  readonly request: SimulatedRequest;
  /** Time that tokens are held against. */
  readonly nowMs: number;
  /** The draw in [0, 1) that decides splits and percentages. @default 0 */
  readonly random?: number;
  /** Where the part of a resource stands in somebody's files. @default nobody knows */
  placeOf?(origin: Origin): Place | undefined | Promise<Place | undefined>;
}

/** Keys of issuers that have to be fetched are not known. */
export interface ExplainOptions extends Question {
  readonly resources: readonly Resource[];
  /** Whose configuration decides. */
  readonly scope: ProxyScope;
  readonly policyCompilers: readonly PolicyCompiler[];
}

/** What a proxy runs. */
export interface RunningOptions extends Question {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  readonly keys: KeyOverlay;
  /** Entries of Secrets that policies read. @default nobody has any */
  secret?(name: string): Values | undefined;
}

/** A step with the resource that it comes from, and where that stands. */
export interface ExplainedStep extends TraceStep {
  readonly place?: Place;
}

export interface Explanation extends Omit<SimulatedDecision, 'trace'> {
  readonly trace: readonly ExplainedStep[];
  /** Version of the snapshot that decided. */
  readonly snapshot: string;
  /** What to change, where the request is refused. */
  readonly advice: readonly string[];
  /** Of what a proxy runs: it is what the newest configuration gives. */
  readonly isCurrent?: boolean;
}

export async function explain(options: ExplainOptions): Promise<Explanation> {
  const { resources, scope, policyCompilers } = options;
  const { named, endpoints } = compile({ resources, scope }, policyCompilers);
  const keys = { version: 'explain', sets: {} };
  const { secrets } = secretsOf(secretNames(named.snapshot), resources);
  const secret = (name: string): Values | undefined => secrets[valuesName(name)]?.values;
  return explainRunning({ ...options, named, endpoints, keys, secret });
}

export async function explainRunning(options: RunningOptions): Promise<Explanation> {
  const { named, endpoints, keys, request, nowMs, random } = options;
  const host = createFakeHost({
    nowMs,
    sleepless: true,
    ...(random === undefined ? {} : { fallback: random }),
  });
  const linked = link(named, endpoints, keys, {
    host,
    filters,
    bridgesGrpcWeb: true,
    secret: (name) => options.secret?.(name),
  });
  const { trace = [], ...decision } = await simulate({ linked, host, request, trace: true });
  const placed: ExplainedStep[] = [];
  for (const step of trace) {
    const place = step.origin === undefined ? undefined : await options.placeOf?.(step.origin);
    placed.push(place === undefined ? step : { ...step, place });
  }
  return {
    ...decision,
    trace: placed,
    snapshot: named.version,
    advice: adviceOn({ decision, trace, linked, request }),
  };
}
