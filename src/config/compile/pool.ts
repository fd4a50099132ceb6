/** What a DestinationRule's connectionPool and a port's protocol say of connections to endpoints. */
import { parseDuration } from '../../lib/duration.ts';
import type { TrafficPolicy } from '../../model/api.ts';
import type { Cluster, PoolLimits } from '../../model/snapshot.ts';
import { isHttpPort } from './services.ts';
import type { ServicePort } from './services.ts';

type Block = NonNullable<TrafficPolicy['connectionPool']>;

const HTTP2: ReadonlySet<string> = new Set(['HTTP2', 'GRPC', 'GRPC-WEB', 'H2C']);

/** 0 and less stand for the API's default, which bounds nothing. */
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && value > 0 ? value : undefined;

const millis = (value: unknown): number | undefined =>
  typeof value === 'string' ? count(parseDuration(value)) : undefined;

/** Without what nobody gave. */
function given<Fields extends object>(fields: Fields): Fields | undefined {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as Fields);
}

type Loose<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };

/** Either alone says nothing. */
function pingOf(http: NonNullable<Block['http']>): PoolLimits['http2KeepAlive'] {
  const given = http['http2KeepAlive'] as
    | { readonly interval?: string; readonly timeout?: string }
    | undefined;
  const intervalMs = millis(given?.interval);
  const timeoutMs = millis(given?.timeout);
  return intervalMs === undefined || timeoutMs === undefined
    ? undefined
    : { intervalMs, timeoutMs };
}

function limitsOf({ tcp = {}, http = {} }: Block): PoolLimits | undefined {
  const keepalive = tcp['tcpKeepalive'] as
    | { readonly probes?: number; readonly time?: string; readonly interval?: string }
    | undefined;
  const limits: Loose<PoolLimits> = {
    maxConnections: count(tcp['maxConnections']),
    maxPendingRequests: count(http['http1MaxPendingRequests']),
    maxRequestsPerConnection: count(http['maxRequestsPerConnection']),
    maxConcurrentStreams: count(http['maxConcurrentStreams']),
    maxRequests: count(http['http2MaxRequests']),
    maxRetries: count(http['maxRetries']),
    idleTimeoutMs: millis(http['idleTimeout']) ?? millis(tcp['idleTimeout']),
    maxConnectionDurationMs: millis(tcp['maxConnectionDuration']),
    keepAlive:
      keepalive === undefined
        ? undefined
        : ((given({
            probes: count(keepalive.probes),
            timeMs: millis(keepalive.time),
            intervalMs: millis(keepalive.interval),
          }) ?? {}) as NonNullable<PoolLimits['keepAlive']>),
    http2KeepAlive: pingOf(http),
  };
  return given(limits) as PoolLimits | undefined;
}

function protocolOf(
  port: ServicePort,
  http: NonNullable<Block['http']>,
): Cluster['protocol'] | undefined {
  if (http['useClientProtocol'] === true && isHttpPort(port)) return 'client';
  const isUpgraded = http['h2UpgradePolicy'] === 'UPGRADE' && port.protocol === 'HTTP';
  return HTTP2.has(port.protocol) || isUpgraded ? 'http2' : undefined;
}

/** The port says what is spoken, unless the pool says to upgrade, or to do as the client. */
export function poolFields(
  port: ServicePort,
  { connectionPool }: TrafficPolicy,
): Pick<Cluster, 'protocol' | 'pool'> {
  const protocol = protocolOf(port, connectionPool?.http ?? {});
  const pool = connectionPool === undefined ? undefined : limitsOf(connectionPool);
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...(pool === undefined ? {} : { pool }),
  };
}
