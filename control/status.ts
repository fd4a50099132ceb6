/** Conditions of a resource: computed when asked for, so a proxy's acknowledgement never changes what is stored. */
import { findings } from '../src/config/findings.ts';
import type { Resource } from '../src/model/api.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import { kinds, policyCompilers } from '../src/presets/control.ts';
import type { Fleet } from './fleet.ts';
import type { Inventory } from './inventory.ts';
import { nameOf } from './resources.ts';

export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Enforced' | 'Programmed';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export interface ResourceStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
}

export interface Statuses {
  of(resource: Resource): Promise<ResourceStatus>;
  /** Everything that analysis finds in what is stored. */
  findings(): Promise<readonly Diagnostic[]>;
}

type Judgement = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

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

function enforced(found: readonly Diagnostic[]): Judgement {
  const parts = found.filter(({ code }) => code === 'LAT0103');
  return parts.length === 0
    ? { type: 'Enforced', status: 'True', reason: 'Enforced', message: '' }
    : {
        type: 'Enforced',
        status: 'False',
        reason: 'NotEnforced',
        message: parts.map(({ path, message }) => `${path ?? ''}: ${message}`).join('; '),
      };
}

function programmed({ ready, all }: { readonly ready: number; readonly all: number }): Judgement {
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

export function createStatuses(inventory: Inventory, fleet: Fleet, nowMs: () => number): Statuses {
  let analysed: { readonly revision: number; readonly found: readonly Diagnostic[] } | undefined;
  const transitions = new Map<string, { readonly state: string; readonly at: string }>();
  const all = async (): Promise<readonly Diagnostic[]> => {
    const { revision, resources } = await inventory.current();
    if (analysed?.revision !== revision) {
      const admitted = resources.map((resource) => ({ resource, placeOf: () => undefined }));
      analysed = { revision, found: findings(admitted, { kinds, policyCompilers }) };
    }
    return analysed.found;
  };
  /** When a condition was first seen as it is. */
  const since = (name: string, judgement: Judgement): string => {
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
      const judgements: Judgement[] = [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' },
        resolved(found),
        enforced(found),
        programmed(await fleet.programmed(name)),
      ];
      return {
        observedGeneration,
        conditions: judgements.map((judgement) => ({
          ...judgement,
          lastTransitionTime: since(name, judgement),
          observedGeneration,
        })),
      };
    },
  };
}
