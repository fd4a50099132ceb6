/**
 * Connections that aren't read as HTTP, from decision to record: a state machine without I/O, as the engine is one for
 * requests. begin -> (reroute) -> connect attempts -> end. A client's connection may have branches, which go the same way.
 */
import type { Host } from '../host/host.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { Exchange, LocalReply } from '../model/exchange.ts';
import type { MongoRules, MongoTarget } from '../model/mongo.ts';
import { beginAttempt, endAttempt } from './attempt.ts';
import type { ConnectionArrival } from './connection.ts';
import { decideConnection } from './connection.ts';
import type { ConnectionStats, CountedBytes } from './connection-counters.ts';
import { ConnectionCounters } from './connection-counters.ts';
import type { EngineExchange } from './exchange.ts';
import { createExchange } from './exchange.ts';
import type { ConnectionEnd } from './record.ts';
import { recordConnection } from './record.ts';
import { closed } from './rescue.ts';

export interface Connections {
  /**
   * Decides. With `reply` the connection is closed; it ends by `onEnd` all the same. Where `waiting` is set, it isn't
   * decided before that has settled.
   */
  begin(arrival: ConnectionArrival): Exchange;
  /** What MongoDB's operations over the connection meet; undefined = it isn't known to carry any. */
  mongoOf(x: Exchange): MongoCarried | undefined;
  /** To another cluster of the snapshot, before the first attempt. Where there is none the connection is closed: `x.reply`. */
  reroute(x: Exchange, target: MongoTarget): void;
  /** Name of the cluster that a target leads to; undefined = the snapshot has none. */
  clusterOf(x: Exchange, target: MongoTarget): string | undefined;
  /** One more connection for the client of `x`, to a cluster of its snapshot. With `reply` it isn't made; it ends by `onBranchEnd` all the same. */
  branch(x: Exchange, cluster: string): Exchange;
  /** Once for every branch. */
  onBranchEnd(branch: Exchange, end: ConnectionEnd): void;
  /** True: `x.endpoint` is the next to try. Else `x.reply` says why there is none. */
  onConnectFailure(x: Exchange, failure: UpstreamFailure): boolean;
  /** Once for every exchange that was begun. */
  onEnd(x: Exchange, end: ConnectionEnd): void;
  /** Connections so far, as plain JSON. */
  stats(): ConnectionStats;
}

export interface MongoCarried {
  readonly rules: MongoRules | undefined;
}

export interface ConnectionsOptions {
  readonly host: Host;
  /** Endpoints that are tried for one connection. @default 1, as Envoy's max_connect_attempts */
  readonly connectAttempts?: number;
}

const NOT_REACHED: Partial<Record<UpstreamFailure, string>> = {
  'connect-failure': 'upstream_connect_failure',
  'connect-timeout': 'upstream_connect_timeout',
  overflow: 'upstream_cx_overflow',
};

const NO_BYTES: CountedBytes = { bytesSent: 0, bytesReceived: 0 };

class ConnectionMachine implements Connections {
  readonly #host: Host;
  readonly #attempts: number;
  readonly #counters = new ConnectionCounters();
  /** Those that their cluster counts. */
  readonly #joined = new WeakSet<Exchange>();

  constructor({ host, connectAttempts = 1 }: ConnectionsOptions) {
    this.#host = host;
    this.#attempts = connectAttempts;
  }

  begin(arrival: ConnectionArrival): Exchange {
    const x = decideConnection(arrival, this.#host) as EngineExchange;
    this.#counters.begin(x);
    if (x.waiting === undefined) this.#decided(x);
    else x.waiting = x.waiting.then(() => this.#decided(x));
    return x;
  }

  mongoOf(exchange: Exchange): MongoCarried | undefined {
    const { linked, listener } = exchange as EngineExchange;
    if (listener === undefined) return undefined;
    const rules = linked
      .routeFiltersOf(listener.filters, [])
      .concat(linked.filtersOf(listener.filters))
      .find(({ mongo }) => mongo !== undefined)?.mongo;
    return listener.application === 'MONGO' || rules !== undefined ? { rules } : undefined;
  }

  reroute(exchange: Exchange, target: MongoTarget): void {
    const x = exchange as EngineExchange;
    const name = this.clusterOf(x, target);
    if (name === x.cluster?.name) return;
    endAttempt(x);
    this.#leave(x);
    x.tried = [];
    x.attempts = 0;
    this.#enter(x, name ?? '');
  }

  clusterOf(exchange: Exchange, target: MongoTarget): string | undefined {
    const { cluster, linked } = exchange as EngineExchange;
    const {
      service = cluster?.service ?? '',
      port = cluster?.port ?? 0,
      subset = target.service === undefined ? (cluster?.subset ?? '') : '',
    } = target;
    const name = `outbound|${port}|${subset}|${service}`;
    return linked.clusters.has(name) ? name : undefined;
  }

  branch(exchange: Exchange, cluster: string): Exchange {
    const of = exchange as EngineExchange;
    const { linked, peer, port, request: head } = of;
    const x = createExchange({ linked, peer, port, head }, this.#host.clock.nowMs());
    x.linkedListener = of.linkedListener;
    x.listener = of.listener;
    x.route = of.route;
    this.#enter(x, cluster);
    return x;
  }

  onConnectFailure(exchange: Exchange, failure: UpstreamFailure): boolean {
    const x = exchange as EngineExchange;
    endAttempt(x);
    const details = NOT_REACHED[failure] ?? 'upstream_connect_failure';
    if (x.attempts >= this.#attempts || x.cluster?.discovery === 'original') {
      this.#close(x, closed('UF,URX', details));
      return false;
    }
    const refused = beginAttempt(x, this.#host.clock.nowMs());
    if (refused === undefined) return true;
    this.#close(x, closed('UF', details));
    return false;
  }

  onEnd(exchange: Exchange, end: ConnectionEnd): void {
    const x = exchange as EngineExchange;
    this.#settle(x, end);
    this.#counters.end(x, end, this.#joined.has(x));
    recordConnection(x, end, this.#host);
  }

  onBranchEnd(exchange: Exchange, end: ConnectionEnd): void {
    const x = exchange as EngineExchange;
    this.#settle(x, end);
    this.#leave(x, end);
    recordConnection(x, end, this.#host);
  }

  stats(): ConnectionStats {
    return this.#counters.view();
  }

  /** A client that didn't wait for it has ended, and counts nowhere any more. */
  #decided(x: EngineExchange): void {
    if (x.stage === 'done') endAttempt(x);
    else if (x.reply === undefined) this.#join(x);
  }

  #join(x: EngineExchange): void {
    const { cluster } = x;
    if (cluster === undefined) return;
    const most = cluster.pool?.maxConnections ?? 0;
    if (most > 0 && this.#counters.activeAt(cluster.name) >= most) {
      endAttempt(x);
      this.#close(x, closed('UO', 'upstream_cx_overflow'));
      return;
    }
    this.#counters.join(cluster.name);
    this.#joined.add(x);
  }

  #enter(x: EngineExchange, name: string): void {
    const to = x.linked.clusters.get(name);
    x.cluster = to?.cluster;
    x.linkedCluster = to;
    x.endpoint = undefined;
    if (to === undefined) {
      this.#close(x, closed('NC', 'cluster_not_found'));
      return;
    }
    const refused = beginAttempt(x, this.#host.clock.nowMs());
    if (refused === undefined) this.#join(x);
    else this.#close(x, closed(refused.flag, refused.details));
  }

  #leave(x: EngineExchange, bytes: CountedBytes = NO_BYTES): void {
    if (x.cluster === undefined || !this.#joined.delete(x)) return;
    this.#counters.leave(x.cluster.name, x.flags, bytes);
  }

  #settle(x: EngineExchange, end: ConnectionEnd): void {
    x.stage = 'done';
    endAttempt(x);
    if (end.flag !== undefined && x.reply === undefined) x.flags = end.flag;
    if (end.details !== undefined && x.reply === undefined) x.details = end.details;
  }

  #close(x: EngineExchange, reply: LocalReply): void {
    x.reply = reply;
    x.flags = reply.flag;
    x.details = reply.details;
  }
}

export function createConnections(options: ConnectionsOptions): Connections {
  return new ConnectionMachine(options);
}
