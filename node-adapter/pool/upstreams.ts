/** Pools by endpoint: found by object on the hot path, by name when a new snapshot brings new objects. */
import type { ConnectionOptions } from 'node:tls';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Exchange } from '../../src/model/exchange.ts';
import type { Cluster, Endpoint } from '../../src/model/snapshot.ts';
import type { Deadlines } from '../sockets/deadlines.ts';
import type { ReadMode } from '../sockets/reading.ts';
import type { ClientStream } from '../stream.ts';
import { createDialer } from './dial.ts';
import type { IsOwnPort } from './own-ports.ts';
import { Http2Pool } from '../http2/pool.ts';
import { Http1Pool } from './http1-pool.ts';
import type { Pool, PoolStats, Waiter } from './pool.ts';

export interface UpstreamTarget {
  readonly cluster: Cluster;
  /** Undefined: to the authority itself. */
  readonly endpoint: Endpoint | undefined;
  readonly authority: string;
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
  /** Ports of this proxy from which a request to itself would go round. @default none */
  readonly isOwnPort?: IsOwnPort;
}

interface Named {
  readonly pool: Pool;
  readonly cluster: string;
  readonly address: string;
  /** Clients name it: it lives as long as it has connections. */
  readonly isPassing: boolean;
  /** What the pool was made of: another makes another pool. */
  readonly settings: string;
}

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
    const { tls, pool, protocol, connectTimeoutMs } = cluster;
    settings = canonicalJson([tls, pool, protocol, connectTimeoutMs]);
    settingsByCluster.set(cluster, settings);
  }
  return settings;
}

export class Upstreams {
  readonly #options: UpstreamOptions;
  /** Clusters with the same endpoints share the objects, and a cluster may change where its endpoints don't. */
  readonly #byEndpoint = new WeakMap<Cluster, WeakMap<Endpoint, Pool>>();
  readonly #byName = new Map<string, Named>();
  /** Out of use, with something under way. */
  readonly #draining = new Set<Pool>();

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** For the attempt that the engine decided on. */
  acquire(x: Exchange, waiter: Waiter, isFresh = false): ClientStream | undefined {
    return this.#poolOfExchange(x).acquire(waiter, isFresh);
  }

  acquireFor(target: UpstreamTarget, waiter: Waiter): ClientStream | undefined {
    return this.#poolOf(target).acquire(waiter);
  }

  cancel(x: Exchange, waiter: Waiter): void {
    this.#poolOfExchange(x).cancel(waiter);
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
    return [...this.#byName.values()].map(({ cluster, address, pool }) => ({
      cluster,
      address,
      pool: pool.stats,
    }));
  }

  #poolOfExchange(x: Exchange): Pool {
    const { cluster, endpoint } = x;
    if (cluster === undefined) throw new Error('a request is forwarded to no cluster');
    if (endpoint !== undefined) {
      const known = this.#byEndpoint.get(cluster)?.get(endpoint);
      if (known !== undefined) return known;
    }
    return this.#poolOf({ cluster, endpoint, authority: x.upstreamAuthority });
  }

  #poolOf(target: UpstreamTarget): Pool {
    const { cluster, endpoint } = target;
    const pool = this.#named(target);
    // Neither is ever changed: what is found by both is found for good.
    if (endpoint === undefined || cluster.discovery === 'original') return pool;
    const known = this.#byEndpoint.get(cluster);
    if (known === undefined) this.#byEndpoint.set(cluster, new WeakMap([[endpoint, pool]]));
    else known.set(endpoint, pool);
    return pool;
  }

  #named(target: UpstreamTarget): Pool {
    const { cluster, endpoint, authority } = target;
    const address =
      endpoint === undefined ? authority : `${endpoint.address}:${String(endpoint.port)}`;
    const name = `${cluster.name} ${address}`;
    const settings = settingsOf(cluster);
    const known = this.#byName.get(name);
    if (known?.settings === settings) return known.pool;
    const pool: Pool = this.#make(target, () => this.#onEmpty(name, pool));
    const isPassing = endpoint === undefined;
    this.#byName.set(name, { pool, cluster: cluster.name, address, isPassing, settings });
    if (known !== undefined) this.#drain(known.pool);
    return pool;
  }

  #drain(pool: Pool): void {
    this.#draining.add(pool);
    pool.drain();
  }

  #onEmpty(name: string, pool: Pool): void {
    this.#draining.delete(pool);
    const named = this.#byName.get(name);
    if (named?.pool === pool && named.isPassing) this.#byName.delete(name);
  }

  #make(target: UpstreamTarget, onEmpty: () => void): Pool {
    const { cluster, endpoint, authority } = target;
    const { deadlines, mode, tlsFor, addressOf, onFault, isOwnPort } = this.#options;
    const isSecure = cluster.tls !== undefined;
    const own =
      endpoint === undefined
        ? splitAuthority(authority, isSecure ? 'https' : 'http')
        : { host: endpoint.address, port: endpoint.port };
    const { host, port } = addressOf?.(target) ?? own;
    const dial = createDialer({
      host,
      port,
      connectTimeoutMs: cluster.connectTimeoutMs,
      tls: isSecure ? () => tlsFor(target) : undefined,
      mode,
      ...(cluster.pool?.keepAlive === undefined ? {} : { keepAlive: cluster.pool.keepAlive }),
      ...(endpoint === undefined && isOwnPort !== undefined ? { isOwnPort } : {}),
    });
    const options = { dial, deadlines, limits: cluster.pool ?? {}, onFault, onEmpty };
    return cluster.protocol === 'http2' ? new Http2Pool(options) : new Http1Pool(options);
  }
}
