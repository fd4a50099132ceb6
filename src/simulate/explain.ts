/** From resources and a request to the decision and why: what `lateen explain` and the admin API answer. */
import { compile } from '../config/compile/index.ts';
import { createFakeHost } from '../host/fake-host.ts';
import type { Resource } from '../model/api.ts';
import type { TraceStep } from '../model/exchange.ts';
import type { PolicyCompiler } from '../model/policy.ts';
import type { KeySet, ProxyScope } from '../model/snapshot.ts';
import { filters } from '../presets/node.ts';
import type { SimulatedDecision, SimulatedRequest } from './index.ts';
import { link, simulate } from './index.ts';

export interface ExplainOptions {
  readonly resources: readonly Resource[];
  /** Whose configuration decides. */
  readonly scope: ProxyScope;
  readonly request: SimulatedRequest;
  readonly policyCompilers: readonly PolicyCompiler[];
  /** Time that tokens are held against. */
  readonly nowMs: number;
  /** Keys by name of their set; @default none */
  keysOf?(name: string): KeySet | undefined;
  /** The draw in [0, 1) that decides splits and percentages. @default 0 */
  readonly random?: number;
}

/** A step with the resource that it comes from. */
export type ExplainedStep = TraceStep;

export interface Explanation extends Omit<SimulatedDecision, 'trace'> {
  readonly trace: readonly ExplainedStep[];
  /** Version of the snapshot that decided. */
  readonly snapshot: string;
}

export async function explain(options: ExplainOptions): Promise<Explanation> {
  const { resources, scope, request, policyCompilers, nowMs, random } = options;
  const compiled = compile({ resources, scope }, policyCompilers);
  const sets = Object.fromEntries(
    compiled.jwksUris.flatMap((uri) => {
      const set = options.keysOf?.(uri);
      return set === undefined ? [] : [[uri, set] as const];
    }),
  );
  const host = createFakeHost({
    nowMs,
    sleepless: true,
    ...(random === undefined ? {} : { fallback: random }),
  });
  const keys = { version: 'explain', sets };
  const linked = link(compiled.named, compiled.endpoints, keys, { host, filters });
  const { trace = [], ...decision } = await simulate({ linked, host, request, trace: true });
  return { ...decision, trace, snapshot: compiled.named.version };
}
