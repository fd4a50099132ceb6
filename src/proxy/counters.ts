/**
 * How many requests ended how, by listener and by cluster.
 *
 * A request costs two look-ups by the object that it already holds and two additions: names are looked up once for
 * each linked object. A new snapshot brings new objects under the same names, and the count goes on.
 */
import { NO_STATUS } from '../lib/grpc-status.ts';
import type { Cluster, Listener } from '../model/snapshot.ts';
import type { AuthorizationCounts } from './authorization-counters.ts';
import { AuthorizationCounters } from './authorization-counters.ts';
import type { EngineExchange } from './exchange.ts';

/** Requests of one listener or cluster, as plain JSON. */
export interface RequestCounts {
  readonly requests: number;
  /** By first digit: `2xx`; `0` = none was ever sent. Only classes that occurred. */
  readonly classes: Readonly<Record<string, number>>;
  /** By response flags as logged (`UF`, `UF,URX`); only those that occurred. */
  readonly flags: Readonly<Record<string, number>>;
  /** Calls of gRPC by the number of their status; absent where there were none. */
  readonly grpc?: Readonly<Record<string, number>>;
  /** Retries that were not made since as many were under way as may be; absent where there were none. */
  readonly retryOverflows?: number;
  /** Of listeners; absent where no policy had a say. */
  readonly authorization?: AuthorizationCounts;
}

export interface EngineStats {
  /** Begun and not ended. */
  readonly active: number;
  /** Requests that no listener took are under ''. */
  readonly listeners: Readonly<Record<string, RequestCounts>>;
  readonly clusters: Readonly<Record<string, RequestCounts>>;
}

const CLASSES = ['0', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;
/** Statuses above are no HTTP; they count as server errors. */
const LAST_CLASS = CLASSES.length - 1;
/** Combinations of flags are few; were they not, the rest is counted together. */
const MAX_FLAGS = 64;
const OTHER_FLAGS = 'other';

class Counts {
  readonly #classes: number[] = CLASSES.map(() => 0);
  #flags: Map<string, number> | undefined;
  #grpc: Map<number, number> | undefined;
  #authorization: AuthorizationCounters | undefined;
  retryOverflows = 0;

  add(statusClass: number, flags: string): void {
    (this.#classes[statusClass] as number)++;
    if (flags !== '') this.#addFlags(flags);
  }

  /** A call that was given up has none. */
  addCall(status: number): void {
    if (status === NO_STATUS) return;
    const counts = (this.#grpc ??= new Map());
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }

  addAuthorization(x: EngineExchange): void {
    this.#authorization ??= new AuthorizationCounters();
    this.#authorization.add(x);
  }

  view(): RequestCounts {
    const seen = CLASSES.map((name, index) => [name, this.#classes[index] as number] as const);
    return {
      requests: this.#classes.reduce((sum, count) => sum + count, 0),
      classes: Object.fromEntries(seen.filter(([, count]) => count > 0)),
      flags: Object.fromEntries(this.#flags ?? []),
      ...(this.#grpc === undefined ? {} : { grpc: Object.fromEntries(this.#grpc) }),
      ...(this.retryOverflows === 0 ? {} : { retryOverflows: this.retryOverflows }),
      ...(this.#authorization === undefined ? {} : { authorization: this.#authorization.view() }),
    };
  }

  #addFlags(given: string): void {
    const counts = (this.#flags ??= new Map());
    const flags = counts.has(given) || counts.size < MAX_FLAGS ? given : OTHER_FLAGS;
    counts.set(flags, (counts.get(flags) ?? 0) + 1);
  }
}

/** Counts by name, found by object. */
class Table<Key extends { readonly name: string }> {
  readonly #byObject = new WeakMap<Key, Counts>();
  readonly #byName = new Map<string, Counts>();

  of(key: Key): Counts {
    return this.#byObject.get(key) ?? this.#meet(key);
  }

  view(): Record<string, RequestCounts> {
    return Object.fromEntries([...this.#byName].map(([name, counts]) => [name, counts.view()]));
  }

  #meet(key: Key): Counts {
    let counts = this.#byName.get(key.name);
    if (counts === undefined) {
      counts = new Counts();
      this.#byName.set(key.name, counts);
    }
    this.#byObject.set(key, counts);
    return counts;
  }
}

const NO_LISTENER = { name: '' };

export class RequestCounters {
  #active = 0;
  readonly #listeners = new Table<Pick<Listener, 'name'>>();
  readonly #clusters = new Table<Pick<Cluster, 'name'>>();

  begin(): void {
    this.#active++;
  }

  /** A retry to the cluster would have been one too many. */
  retryOverflows(cluster: Cluster): void {
    this.#clusters.of(cluster).retryOverflows++;
  }

  /** Once for each request that began. */
  end(x: EngineExchange): void {
    this.#active--;
    const status = x.reply?.status ?? x.response?.status ?? 0;
    const statusClass = Math.min(LAST_CLASS, Math.floor(status / 100));
    const { cluster, call } = x;
    const listener = this.#listeners.of(x.listener ?? NO_LISTENER);
    listener.add(statusClass, x.flags);
    if (call !== undefined) listener.addCall(call.status);
    if (AuthorizationCounters.concerns(x)) listener.addAuthorization(x);
    if (cluster === undefined) return;
    const counts = this.#clusters.of(cluster);
    counts.add(statusClass, x.flags);
    if (call !== undefined) counts.addCall(call.status);
  }

  view(): EngineStats {
    return {
      active: this.#active,
      listeners: this.#listeners.view(),
      clusters: this.#clusters.view(),
    };
  }
}
