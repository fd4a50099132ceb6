/** Every proxy that may ask, what it should run and what its instances do run. */
import type { Runtime } from '../src/delivery/messages.ts';
import { pointerName } from '../src/delivery/pointer.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import type { Pointer, ProxyScope } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import { listTokens } from './auth.ts';
import type { Compiled, Push } from './push.ts';
import type { Instance, Registry } from './registry.ts';
import { scopeKey } from './registry.ts';

export type SyncState = 'SYNCED' | 'STALE' | 'ERROR' | 'NOT SENT';

export interface ProxyStatus {
  readonly scope: ProxyScope;
  /** ERROR: an instance refused what is current. NOT SENT: none has a live lease. */
  readonly state: SyncState;
  readonly current: Pointer;
  /** Instances with a live lease, and how many of them run what is current. */
  readonly instances: number;
  readonly programmed: number;
  /** What its instances run in, as far as they say it. */
  readonly runtimes: Readonly<Record<Runtime, number>>;
  /** Snapshot of the instance that was seen last. */
  readonly runs: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly lastSeenMs: number | undefined;
  /** How often its secrets were read since this control plane started. */
  readonly secretReads: number;
}

/** Live instances of proxies that use a resource. */
export interface Usage {
  readonly all: number;
  /** Of these, how many run the current configuration. */
  readonly ready: number;
  readonly runtimes: ProxyStatus['runtimes'];
}

/** A live instance, and what it runs. */
export interface LiveInstance {
  readonly scope: ProxyScope;
  readonly id: string;
  readonly runs: string | undefined;
}

export interface Fleet {
  /** Instances with a live lease. */
  live(): Promise<readonly LiveInstance[]>;
  status(): Promise<readonly ProxyStatus[]>;
  usage(resource: string): Promise<Usage>;
}

function stateOf(current: string, instances: readonly Instance[]): SyncState {
  if (instances.length === 0) return 'NOT SENT';
  if (instances.some(({ refused }) => refused?.pointer === current)) return 'ERROR';
  return instances.every(({ runs }) => runs === current) ? 'SYNCED' : 'STALE';
}

function statusOf(compiled: Compiled, registry: Registry): ProxyStatus {
  const instances = registry.instances(compiled.scope);
  const current = pointerName(compiled.pointer);
  const [latest] = instances;
  return {
    scope: compiled.scope,
    state: stateOf(current, instances),
    current: compiled.pointer,
    instances: instances.length,
    programmed: instances.filter(({ runs }) => runs === current).length,
    runtimes: {
      edge: instances.filter(({ runtime }) => runtime === 'edge').length,
      node: instances.filter(({ runtime }) => runtime === 'node').length,
    },
    runs: latest?.runs?.split('.')[0],
    diagnostics: instances.flatMap(({ refused }) =>
      refused?.pointer === current ? refused.diagnostics : [],
    ),
    lastSeenMs: latest?.seenMs,
    secretReads: registry.secretReads(compiled.scope),
  };
}

export function createFleet(store: Store, push: Push, registry: Registry): Fleet {
  const allScopes = async (): Promise<ProxyScope[]> => {
    const tokens = await listTokens(store);
    const scopes = tokens.flatMap(({ scopes: own = [] }) => own);
    return [...new Map(scopes.map((scope) => [scopeKey(scope), scope])).values()];
  };
  const all = async (): Promise<{ compiled: Compiled; status: ProxyStatus }[]> => {
    const list: { compiled: Compiled; status: ProxyStatus }[] = [];
    for (const scope of await allScopes()) {
      const compiled = await push.compiledFor(scope);
      list.push({ compiled, status: statusOf(compiled, registry) });
    }
    return list;
  };
  return {
    async live() {
      const scopes = await allScopes();
      return scopes.flatMap((scope) =>
        registry.instances(scope).map(({ id, runs }) => ({ scope, id, runs })),
      );
    },
    status: async () => (await all()).map(({ status }) => status),
    async usage(resource) {
      const using = (await all()).filter(({ compiled }) => compiled.resources.has(resource));
      const sum = (of: (status: ProxyStatus) => number): number =>
        using.reduce((before, { status }) => before + of(status), 0);
      return {
        all: sum(({ instances }) => instances),
        ready: sum(({ programmed }) => programmed),
        runtimes: {
          edge: sum(({ runtimes }) => runtimes.edge),
          node: sum(({ runtimes }) => runtimes.node),
        },
      };
    },
  };
}
