/** Conditions of a resource: computed when asked for, so a proxy's acknowledgement never changes what is stored. */
import { findings } from '../src/config/findings.ts';
import type { Resource } from '../src/model/api.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import { kinds, policyCompilers } from '../src/presets/control.ts';
import type { Fleet, Usage } from './fleet.ts';
import type { Inventory } from './inventory.ts';
import type { Condition, Judgement } from './conditions.ts';
import type { Since, TimedApiStatus } from './api-status.ts';
import { readApiStatuses, timed } from './api-status.ts';
import type { Keys } from './keys.ts';
import { judgeKeys } from './key-condition.ts';
import { keyOf, nameOf } from './resources.ts';

export interface ResourceStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
  /** What analysis finds in it. */
  readonly findings: readonly Diagnostic[];
}

/** Those of the Gateway API have their listeners, parents or ancestors too. */
export type AnyStatus = ResourceStatus & Partial<TimedApiStatus['parts']>;

export interface Statuses {
  of(resource: Resource): Promise<AnyStatus>;
  /** Everything that analysis finds in what is stored. */
  findings(): Promise<readonly Diagnostic[]>;
}

/** References that lead nowhere; the other findings are advice. */
const UNRESOLVED = new Set(['IST0101', 'IST0161', 'LAT0101']);
const MAX_REMEMBERED = 50_000;

function resolved(found: readonly Diagnostic[]): Judgement {
  const broken = found.filter(({ code }) => UNRESOLVED.has(code));
  return broken.length === 0
    ? { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: '' }
    : {
        type: 'ResolvedRefs',
        status: 'False',
        reason: 'RefNotFound',
        message: broken.map(({ code, message }) => `${code}: ${message}`).join('; '),
      };
}

/** What nobody enforces, and what the runtimes that are attached don't. */
function enforced(found: readonly Diagnostic[], { all, runtimes }: Usage): Judgement {
  const said = (wanted: string): string =>
    found
      .filter(({ code }) => code === wanted)
      .map(({ path, message }) => `${path ?? ''}: ${message}`)
      .join('; ');
  const [byNobody, byNode] = [said('LAT0103'), said('LAT0114')];
  const atEdge =
    byNode === '' || runtimes.edge === 0
      ? ''
      : `${runtimes.edge} of ${all} proxy instances that use it are gateway workers, which leave out ${byNode}`;
  if (byNobody !== '' || atEdge !== '') {
    const isPartial = byNobody === '' && runtimes.edge < all;
    return {
      type: 'Enforced',
      status: 'False',
      reason: isPartial ? 'PartiallyEnforced' : 'NotEnforced',
      message: [byNobody, atEdge].filter((text) => text !== '').join('; '),
    };
  }
  // Whoever doesn't say what it runs in may be either.
  return byNode === '' || (all > 0 && runtimes.node === all)
    ? { type: 'Enforced', status: 'True', reason: 'Enforced', message: '' }
    : { type: 'Enforced', status: 'True', reason: 'EnforcedByNodeProxies', message: byNode };
}

function programmed({ ready, all }: Usage): Judgement {
  const message = `${ready} of ${all} proxy instances that use it run the current configuration`;
  if (all === 0)
    return {
      type: 'Programmed',
      status: 'Unknown',
      reason: 'NoProxy',
      message: 'no proxy with a live lease uses it',
    };
  return ready === all
    ? { type: 'Programmed', status: 'True', reason: 'Programmed', message }
    : { type: 'Programmed', status: 'False', reason: 'Pending', message };
}

/** What the API's own rules say comes first; what the proxies say of it counts once those are content. */
function joined(own: readonly Condition[], judged: readonly Condition[]): Condition[] {
  const refused = new Set(own.filter(({ status }) => status === 'False').map(({ type }) => type));
  const said = new Map(own.map((condition) => [condition.type, condition]));
  const kept = judged.map((condition) => {
    const stated = said.get(condition.type);
    const isFinal =
      stated !== undefined && (refused.has(stated.type) || stated.type !== 'Programmed');
    return isFinal ? stated : condition;
  });
  const types = new Set(judged.map(({ type }) => type));
  return [...kept, ...own.filter(({ type }) => !types.has(type))];
}

export interface StatusOptions {
  readonly inventory: Inventory;
  readonly fleet: Fleet;
  readonly keys: Pick<Keys, 'stateOf'>;
  readonly nowMs: () => number;
}

export function createStatuses({ inventory, fleet, keys, nowMs }: StatusOptions): Statuses {
  let analysed: { readonly revision: number; readonly found: readonly Diagnostic[] } | undefined;
  let api:
    | { readonly revision: number; readonly of: ReturnType<typeof readApiStatuses> }
    | undefined;
  const transitions = new Map<string, { readonly state: string; readonly at: string }>();
  const all = async (): Promise<readonly Diagnostic[]> => {
    const { revision, resources } = await inventory.current();
    if (analysed?.revision !== revision) {
      const admitted = resources.map((resource) => ({ resource, placeOf: () => undefined }));
      analysed = { revision, found: findings(admitted, { kinds, policyCompilers }) };
    }
    return analysed.found;
  };
  const apiStatuses = async (): Promise<ReturnType<typeof readApiStatuses>> => {
    const { revision, resources } = await inventory.current();
    if (api?.revision !== revision) api = { revision, of: readApiStatuses(resources) };
    return api.of;
  };
  /** When a condition was first seen as it is. */
  const since: Since = (name, judgement) => {
    const key = `${name} ${judgement.type}`;
    const state = `${judgement.status} ${judgement.reason}`;
    const known = transitions.get(key);
    if (known?.state === state) return known.at;
    if (transitions.size >= MAX_REMEMBERED) transitions.clear();
    const at = `${new Date(nowMs()).toISOString().slice(0, 19)}Z`;
    transitions.set(key, { state, at });
    return at;
  };
  return {
    findings: all,
    async of(resource) {
      const name = nameOf(resource);
      const found = (await all()).filter((finding) => finding.resource === name);
      const observedGeneration = resource.metadata.generation ?? 1;
      const stated = (await apiStatuses()).get(keyOf(resource));
      const known = stated === undefined ? undefined : timed(resource, stated, since);
      const usage = await fleet.usage(name);
      const judgements = [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' } as const,
        resolved(found),
        enforced(found, usage),
        programmed(usage),
        ...judgeKeys(resource, keys),
      ].map((judgement) => ({
        ...judgement,
        lastTransitionTime: since(name, judgement),
        observedGeneration,
      }));
      return {
        observedGeneration,
        conditions: joined(known?.own ?? [], judgements),
        ...known?.parts,
        findings: found,
      };
    },
  };
}
