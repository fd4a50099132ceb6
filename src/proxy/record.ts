/** The one place that writes telemetry: one JSON line for each request. */
import type { Host } from '../host/host.ts';
import type { EngineExchange } from './exchange.ts';

export interface RequestEnd {
  /** Of the body that the client got. */
  readonly bytesSent?: number;
  /** The client went away. */
  readonly cancelled?: boolean;
}

const ESCAPED = /["\\\x00-\x1f\x7f-\uffff]/;

/** JSON leaves these as they are; a terminal or a log shipper may not (CVE-2024-45808). */
const BEYOND_JSON = /[\x7f-\x9f\u2028\u2029]/g;
const unicode = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** JSON text; most values need no escape. */
function text(value: string): string {
  return ESCAPED.test(value)
    ? JSON.stringify(value).replaceAll(BEYOND_JSON, unicode)
    : `"${value}"`;
}

const optional = (name: string, value: string | undefined): string =>
  value === undefined || value === '' ? '' : `,"${name}":${text(value)}`;

function outcome(x: EngineExchange): string {
  const status = x.reply?.status ?? x.response?.status ?? 0;
  return `"status":${status}${optional('flags', x.flags)}${optional('details', x.details)}`;
}

function upstream(x: EngineExchange): string {
  if (x.cluster === undefined) return '';
  const endpoint =
    x.endpoint === undefined
      ? ''
      : optional('endpoint', `${x.endpoint.address}:${x.endpoint.port}`);
  const wait = x.responseMs === 0 ? '' : `,"upstream_ms":${x.responseMs - x.upstreamStartMs}`;
  return `${optional('cluster', x.cluster.name)}${endpoint},"attempts":${x.attempts}${wait}`;
}

export function recordRequest(x: EngineExchange, end: RequestEnd, host: Host): void {
  const sent = end.bytesSent === undefined ? '' : `,"bytes_sent":${end.bytesSent}`;
  host.log(
    `{"time":${x.startMs},"method":${text(x.method)},"authority":${text(x.authority)},"path":${text(x.path + x.query)},` +
      `${outcome(x)}${optional('listener', x.listener?.name)}${optional('route', x.route?.name)}${upstream(x)}` +
      `,"duration_ms":${host.clock.nowMs() - x.startMs}${sent}${end.cancelled === true ? ',"cancelled":true' : ''}` +
      `,"client":${text(x.remoteIp)}${optional('principal', x.peer.principal)}${optional('policy', x.decidedBy)}` +
      `,"request_id":${text(x.requestId)},"trace_id":"${x.traceId}","snapshot":"${x.linked.pointer.snapshot}"}`,
  );
}
