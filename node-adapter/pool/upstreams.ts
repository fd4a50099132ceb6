/** Pools by endpoint: found by object on the hot path, by name when a new snapshot brings new objects. */
import type { ConnectionOptions } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { RequestHead } from '../../src/model/head.ts';
import type { Peer } from '../../src/model/identity.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import { tlsTowards } from '../../src/proxy/index.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { ReadMode } from '../sockets/reading.ts';
import type { ClientStream } from '../stream.ts';
import { addressesOf, prefaceFor } from './client-preface.ts';
import { ClientProtocolPool } from './client-protocol-pool.ts';
import { createDialer } from './dial.ts';
import type { ServerGuard } from './lifetime.ts';
import type { IsOwnPort } from './own-ports.ts';
import { Http2Pool } from '../http2/pool.ts';
import { Http1Pool } from './http1-pool.ts';
import type { Pool, PoolStats, Waiter } from './pool.ts';
import { Room } from './room.ts';

export interface UpstreamTarget {
  readonly cluster: Cluster;
  /** Undefined: to the authority itself. */
  readonly endpoint: Endpoint | undefined;
  readonly authority: string;
  /** Whose request it is: endpoints that are told of clients get connections for each of them. @default nobody's */
  readonly client?: Peer;
}

/** How TLS is spoken to a cluster, asked for each connection; undefined = it isn't. May throw: nothing can be sent. */
export type TlsFor = (target: UpstreamTarget) => ConnectionOptions | undefined;

export interface UpstreamOptions {
  readonly deadlines: Deadlines;
  readonly mode: ReadMode;
  readonly tlsFor: TlsFor;
  /** Address of the local application, where an endpoint stands for it. @default none */
  readonly addressOf?: (
    target: UpstreamTarget,
  ) => { readonly host: string; readonly port: number } | undefined;
  readonly onFault: (error: unknown) => void;
  /** @default nobody watches what servers of the mesh proved */
  readonly guard?: ServerGuard;
  /** Told why a server wasn't spoken to. @default nobody wants to know */
  readonly onRefused?: (target: UpstreamTarget, reason: string) => void;
  /** Ports of this proxy from which a request to itself would go round. @default none */
  readonly isOwnPort?: IsOwnPort;
}

interface Named {
  readonly pool: Pool;
  readonly cluster: string;
  readonly address: string;
  /** Clients name it: it lives as long as it has connections. */
  readonly isPassing: boolean;
  /** Of one client: it lives as long as the client does, and no longer than it has connections. */
  readonly isOfClient: boolean;
  /** Absent: of requests of the proxy's own. */
  readonly client: Peer | undefined;
  /** What the pool was made of: another makes another pool. */
  readonly settings: string;
}

/** Where every client needs connections of its own, those that carry nothing go early. */
const CLIENT_IDLE_MS = 2000;
const DEFAULT_PORTS = { http: 80, https: 443 } as const;

function splitAuthority(
  authority: string,
  scheme: 'http' | 'https',
): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(authority);
  const port = match?.[3];
  return {
    host: match?.[1] ?? match?.[2] ?? authority,
    port: port === undefined ? DEFAULT_PORTS[scheme] : Number(port),
  };
}

/** Clusters are never changed. */
const settingsByCluster = new WeakMap<Cluster, string>();

function settingsOf(cluster: Cluster): string {
  let settings = settingsByCluster.get(cluster);
  if (settings === undefined) {
    const { tls, pool, protocol, connectTimeoutMs, proxyProtocol } = cluster;
    settings = canonicalJson([tls, pool, protocol, connectTimeoutMs, proxyProtocol]);
    settingsByCluster.set(cluster, settings);
  }
  return settings;
}

/** What an endpoint must prove: connections to one that needn't, or had to be another, are no use for it. */
function proofOf({ cluster, endpoint }: UpstreamTarget): string {
  if (cluster.tls?.mode !== 'ISTIO_MUTUAL') return '';
  return tlsTowards(cluster, endpoint) === undefined ? ' plain' : ` ${endpoint?.identity ?? ''}`;
}

export class Upstreams {
  readonly #options: UpstreamOptions;
  /** Clusters with the same endpoints share the objects, and a cluster may change where its endpoints don't. */
  readonly #byEndpoint = new WeakMap<Cluster, WeakMap<Endpoint, Pool>>();
  readonly #byName = new Map<string, Named>();
  /** Out of use, with something under way. */
  readonly #draining = new Set<Pool>();
  /** Names of pools that end with a client. */
  readonly #ofClient = new WeakMap<Peer, Set<string>>();
  /** What waits at a client's pool, which may be out of use before it hears. */
  readonly #asked = new WeakMap<Waiter, Pool>();
  /** Of clients' pools to one endpoint. */
  readonly #rooms = new Map<string, Room>();

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** For the attempt that the engine decided on. */
  acquire(x: Exchange, waiter: Waiter, isFresh = false): ClientStream | undefined {
    const pool = this.#poolOfExchange(x);
    if (x.cluster?.proxyProtocol !== undefined) this.#asked.set(waiter, pool);
    return pool.acquire(waiter, isFresh, x.request);
  }

  /** @param request of a client, that it is for. @default one of the proxy's own */
  acquireFor(
    target: UpstreamTarget,
    waiter: Waiter,
    request?: RequestHead,
  ): ClientStream | undefined {
    return this.#poolOf(target).acquire(waiter, false, request);
  }

  cancel(x: Exchange, waiter: Waiter): void {
    (this.#asked.get(waiter) ?? this.#poolOfExchange(x)).cancel(waiter);
  }

  /** A client's connection is over: nobody else may use those that told of it. */
  release(client: Peer): void {
    for (const name of this.#ofClient.get(client) ?? []) {
      const named = this.#byName.get(name);
      if (named === undefined) continue;
      this.#byName.delete(name);
      this.#drain(named.pool);
    }
  }

  /** Pools of clusters and endpoints that are no more take nothing new. */
  retain(isKept: (cluster: string, address: string) => boolean): void {
    for (const [name, { pool, cluster, address, isPassing }] of this.#byName)
      if (!isPassing && !isKept(cluster, address)) {
        this.#byName.delete(name);
        this.#drain(pool);
      }
  }

  /** Every connection ends now. */
  close(): void {
    const pools = [...this.#draining, ...[...this.#byName.values()].map(({ pool }) => pool)];
    this.#byName.clear();
    this.#draining.clear();
    for (const pool of pools) pool.close();
  }

  stats(): { readonly cluster: string; readonly address: string; readonly pool: PoolStats }[] {
    const all = new Map<string, { cluster: string; address: string; pool: PoolStats }>();
    for (const { cluster, address, pool } of this.#byName.values()) {
      const name = `${cluster} ${address}`;
      const { connections = 0, idle = 0, waiting = 0 } = all.get(name)?.pool ?? {};
      const { stats } = pool;
      all.set(name, {
        cluster,
        address,
        pool: {
          connections: connections + stats.connections,
          idle: idle + stats.idle,
          waiting: waiting + stats.waiting,
        },
      });
    }
    return [...all.values()];
  }

  #poolOfExchange(x: Exchange): Pool {
    const { cluster, endpoint } = x;
    if (cluster === undefined) throw new Error('a request is forwarded to no cluster');
    if (endpoint !== undefined) {
      const known = this.#byEndpoint.get(cluster)?.get(endpoint);
      if (known !== undefined) return known;
    }
    return this.#poolOf({ cluster, endpoint, authority: x.upstreamAuthority, client: x.peer });
  }

  #poolOf(target: UpstreamTarget): Pool {
    const { cluster, endpoint } = target;
    const pool = this.#named(target);
    // Neither is ever changed: what is found by both is found for good.
    if (endpoint === undefined || cluster.discovery === 'original') return pool;
    if (cluster.proxyProtocol !== undefined) return pool;
    const known = this.#byEndpoint.get(cluster);
    if (known === undefined) this.#byEndpoint.set(cluster, new WeakMap([[endpoint, pool]]));
    else known.set(endpoint, pool);
    return pool;
  }

  #named(target: UpstreamTarget): Pool {
    const { cluster, endpoint, authority } = target;
    const address =
      endpoint === undefined ? authority : `${endpoint.address}:${String(endpoint.port)}`;
    const isOfClient = cluster.proxyProtocol !== undefined;
    const own = isOfClient ? ` for ${addressesOf(target.client)}` : '';
    const name = `${cluster.name} ${address}${own}`;
    const settings = settingsOf(cluster) + proofOf(target);
    const known = this.#byName.get(name);
    if (known?.settings === settings) return known.pool;
    const room = isOfClient ? `${cluster.name} ${address} ${settings}` : undefined;
    const pool: Pool = this.#make(target, this.#roomOf(room, cluster), () =>
      this.#onEmpty(name, pool, room),
    );
    const isPassing = endpoint === undefined;
    const client = isOfClient ? target.client : undefined;
    const named = { pool, cluster: cluster.name, address, isPassing, isOfClient, client, settings };
    this.#byName.set(name, named);
    if (client !== undefined) this.#belongs(name, client);
    if (known !== undefined) this.#drain(known.pool);
    return pool;
  }

  #drain(pool: Pool): void {
    this.#draining.add(pool);
    pool.drain();
  }

  #onEmpty(name: string, pool: Pool, room: string | undefined): void {
    this.#draining.delete(pool);
    const named = this.#byName.get(name);
    if (named?.pool === pool && (named.isPassing || named.isOfClient)) {
      this.#byName.delete(name);
      if (named.client !== undefined) this.#ofClient.get(named.client)?.delete(name);
    }
    if (room !== undefined && this.#rooms.get(room)?.isEmpty === true) this.#rooms.delete(room);
  }

  #roomOf(name: string | undefined, { pool = {} }: Cluster): Room | undefined {
    if (name === undefined) return undefined;
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = new Room(pool);
      this.#rooms.set(name, room);
    }
    return room;
  }

  #belongs(name: string, client: Peer): void {
    const names = this.#ofClient.get(client);
    if (names === undefined) this.#ofClient.set(client, new Set([name]));
    else names.add(name);
  }

  #make(target: UpstreamTarget, room: Room | undefined, onEmpty: () => void): Pool {
    const { cluster } = target;
    if (cluster.protocol !== 'client') return this.#makeFor(target, room, onEmpty);
    return new ClientProtocolPool(
      (protocol, onItsEmpty) =>
        this.#makeFor({ ...target, cluster: { ...cluster, protocol } }, room, onItsEmpty),
      onEmpty,
    );
  }

  #makeFor(target: UpstreamTarget, room: Room | undefined, onEmpty: () => void): Pool {
    const { cluster, endpoint, authority } = target;
    const { deadlines, mode, tlsFor, addressOf, onFault, isOwnPort, guard } = this.#options;
    const secured = tlsTowards(cluster, endpoint);
    const isSecure = secured !== undefined;
    const own =
      endpoint === undefined
        ? splitAuthority(authority, isSecure ? 'https' : 'http')
        : { host: endpoint.address, port: endpoint.port };
    const { host, port } = addressOf?.(target) ?? own;
    const preface = prefaceFor(cluster, target.client);
    const dial = createDialer({
      host,
      port,
      connectTimeoutMs: cluster.connectTimeoutMs,
      tls: isSecure ? () => tlsFor(target) : undefined,
      onRefused: (reason) => this.#options.onRefused?.(target, reason),
      mode,
      ...(cluster.pool?.keepAlive === undefined ? {} : { keepAlive: cluster.pool.keepAlive }),
      ...(endpoint === undefined && isOwnPort !== undefined ? { isOwnPort } : {}),
      ...(preface === undefined ? {} : { preface }),
    });
    const limits = room === undefined ? {} : { idleTimeoutMs: CLIENT_IDLE_MS };
    const options = {
      dial,
      deadlines,
      limits: { ...limits, ...cluster.pool },
      onFault,
      onEmpty,
      ...(room === undefined ? {} : { room }),
      ...(guard === undefined || secured?.mode !== 'ISTIO_MUTUAL' ? {} : { guard }),
    };
    return cluster.protocol === 'http2' ? new Http2Pool(options) : new Http1Pool(options);
  }
}
