/** How many connections that aren't read as HTTP were carried and how they ended, by listener and by cluster. */
import type { AuthorizationCounts } from './authorization-counters.ts';
import { AuthorizationCounters } from './authorization-counters.ts';
import type { EngineExchange } from './exchange.ts';
import type { ConnectionEnd } from './record.ts';

/** Connections of one listener or cluster, as plain JSON. */
export interface ConnectionCounts {
  /** Begun so far. */
  readonly connections: number;
  /** Begun and not ended. */
  readonly active: number;
  /** To clients. */
  readonly bytesSent: number;
  /** From clients. */
  readonly bytesReceived: number;
  /** By response flags as logged; only those that occurred. */
  readonly flags: Readonly<Record<string, number>>;
  /** Of listeners; absent where no policy had a say. */
  readonly authorization?: AuthorizationCounts;
}

export interface ConnectionStats {
  /** Connections that no listener took are under ''. */
  readonly listeners: Readonly<Record<string, ConnectionCounts>>;
  readonly clusters: Readonly<Record<string, ConnectionCounts>>;
}

/** Combinations of flags are few; were they not, the rest is counted together. */
const MAX_FLAGS = 64;
const OTHER_FLAGS = 'other';

class Counts {
  connections = 0;
  active = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  readonly #flags = new Map<string, number>();
  #authorization: AuthorizationCounters | undefined;

  addAuthorization(x: EngineExchange): void {
    this.#authorization ??= new AuthorizationCounters();
    this.#authorization.add(x);
  }

  begin(): void {
    this.connections++;
    this.active++;
  }

  end(given: string, bytesSent: number, bytesReceived: number): void {
    this.active--;
    this.#bytesSent += bytesSent;
    this.#bytesReceived += bytesReceived;
    if (given === '') return;
    const flags = this.#flags.has(given) || this.#flags.size < MAX_FLAGS ? given : OTHER_FLAGS;
    this.#flags.set(flags, (this.#flags.get(flags) ?? 0) + 1);
  }

  view(): ConnectionCounts {
    return {
      connections: this.connections,
      active: this.active,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      flags: Object.fromEntries(this.#flags),
      ...(this.#authorization === undefined ? {} : { authorization: this.#authorization.view() }),
    };
  }
}

class Table {
  readonly #byName = new Map<string, Counts>();

  of(name: string): Counts {
    let counts = this.#byName.get(name);
    if (counts === undefined) {
      counts = new Counts();
      this.#byName.set(name, counts);
    }
    return counts;
  }

  active(name: string): number {
    return this.#byName.get(name)?.active ?? 0;
  }

  view(): Record<string, ConnectionCounts> {
    return Object.fromEntries([...this.#byName].map(([name, counts]) => [name, counts.view()]));
  }
}

export type CountedBytes = Pick<ConnectionEnd, 'bytesSent' | 'bytesReceived'>;

const NO_BYTES: CountedBytes = { bytesSent: 0, bytesReceived: 0 };

/** By name, so that a count outlives the snapshot that it began in. */
export class ConnectionCounters {
  readonly #listeners = new Table();
  readonly #clusters = new Table();

  activeAt(cluster: string): number {
    return this.#clusters.active(cluster);
  }

  begin(x: EngineExchange): void {
    this.#listeners.of(x.listener?.name ?? '').begin();
  }

  /** The connection's cluster is now this one. */
  join(cluster: string): void {
    this.#clusters.of(cluster).begin();
  }

  /** It goes elsewhere, or was a branch. */
  leave(cluster: string, flags: string, { bytesSent, bytesReceived }: CountedBytes): void {
    this.#clusters.of(cluster).end(flags, bytesSent, bytesReceived);
  }

  /** @param joined whether its cluster counts it */
  end(x: EngineExchange, bytes: ConnectionEnd, joined: boolean): void {
    const { bytesSent, bytesReceived, branched = NO_BYTES } = bytes;
    const listener = this.#listeners.of(x.listener?.name ?? '');
    listener.end(x.flags, bytesSent, bytesReceived);
    if (AuthorizationCounters.concerns(x)) listener.addAuthorization(x);
    if (joined && x.cluster !== undefined)
      this.#clusters
        .of(x.cluster.name)
        .end(x.flags, bytesSent - branched.bytesSent, bytesReceived - branched.bytesReceived);
  }

  view(): ConnectionStats {
    return { listeners: this.#listeners.view(), clusters: this.#clusters.view() };
  }
}
