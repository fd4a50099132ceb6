/**
 * Connections that aren't read as HTTP, from decision to record: a state machine without I/O, as the engine is one for
 * requests. begin -> (reroute) -> connect attempts -> end.
 */
import type { Host } from '../host/host.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { Exchange, LocalReply } from '../model/exchange.ts';
import type { MongoRules, MongoTarget } from '../model/mongo.ts';
import { beginAttempt, endAttempt } from './attempt.ts';
import type { ConnectionArrival } from './connection.ts';
import { decideConnection } from './connection.ts';
import type { ConnectionStats } from './connection-counters.ts';
import { ConnectionCounters } from './connection-counters.ts';
import type { EngineExchange } from './exchange.ts';
import type { ConnectionEnd } from './record.ts';
import { recordConnection } from './record.ts';
import { closed } from './rescue.ts';

export interface Connections {
  /** Decides. With `reply` the connection is closed; it ends by `onEnd` all the same. */
  begin(arrival: ConnectionArrival): Exchange;
  /** What MongoDB's operations over the connection meet; undefined = it isn't known to carry any. */
  mongoOf(x: Exchange): MongoCarried | undefined;
  /** To another cluster of the snapshot, before the first attempt. False: there is none, and it stays where it was. */
  reroute(x: Exchange, target: MongoTarget): boolean;
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
    if (x.reply === undefined) this.#join(x);
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

  reroute(exchange: Exchange, target: MongoTarget): boolean {
    const x = exchange as EngineExchange;
    const from = x.cluster;
    if (from === undefined) return false;
    const { service = from.service, port = from.port, subset = from.subset ?? '' } = target;
    const to = x.linked.clusters.get(`outbound|${port}|${subset}|${service}`);
    if (to === undefined) return false;
    if (to.cluster === from) return true;
    endAttempt(x);
    this.#leave(x);
    x.cluster = to.cluster;
    x.linkedCluster = to;
    x.endpoint = undefined;
    x.tried = [];
    x.attempts = 0;
    const refused = beginAttempt(x, this.#host.clock.nowMs());
    if (refused === undefined) this.#join(x);
    else this.#close(x, closed(refused.flag, refused.details));
    return true;
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
    endAttempt(x);
    if (end.flag !== undefined && x.reply === undefined) x.flags = end.flag;
    if (end.details !== undefined && x.reply === undefined) x.details = end.details;
    this.#counters.end(x, end, this.#joined.has(x));
    recordConnection(x, end, this.#host);
  }

  stats(): ConnectionStats {
    return this.#counters.view();
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

  #leave(x: EngineExchange): void {
    if (x.cluster === undefined || !this.#joined.delete(x)) return;
    this.#counters.leave(x.cluster.name, '');
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
