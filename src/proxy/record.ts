/** The one place that writes telemetry: one JSON line for each request, and for each connection that isn't read as HTTP. */
import type { Host } from '../host/host.ts';
import type { Peer } from '../model/identity.ts';
import type { ShadowResult } from '../model/exchange.ts';
import type { Endpoint } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';

export interface RequestEnd {
  /** Of the body that the client got. */
  readonly bytesSent?: number;
  /** Of the body that the client sent. */
  readonly bytesReceived?: number;
  /** The client went away. */
  readonly cancelled?: boolean;
}

/** How a carried connection ended. */
export interface ConnectionEnd {
  /** To the client. */
  readonly bytesSent: number;
  /** From the client. */
  readonly bytesReceived: number;
  /** How many of these went over branches. @default none */
  readonly branched?: { readonly bytesSent: number; readonly bytesReceived: number };
  /** What ended it, as Envoy's response flag; absent = one side after the other was done. */
  readonly flag?: string;
  readonly details?: string;
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

/** Parts that many lines share, by the object that they tell of. */
const parts = new WeakMap<object, string>();

function partOf(subject: object, name: string, value: string | undefined): string {
  let part = parts.get(subject);
  if (part === undefined) {
    part = optional(name, value);
    parts.set(subject, part);
  }
  return part;
}

function endpointPart(endpoint: Endpoint): string {
  return (
    parts.get(endpoint) ?? partOf(endpoint, 'endpoint', `${endpoint.address}:${endpoint.port}`)
  );
}

/** Many requests share a millisecond, and a number of this size is dear to write. */
let writtenMs = -1;
let written = '';

function opening(startMs: number): string {
  if (startMs !== writtenMs) {
    writtenMs = startMs;
    written = `{"time":${startMs},"method":`;
  }
  return written;
}

const JWT_BEGINS = 'eyJ';
const RUN = /[\w.%~-]+/g;

/** A JWT in a parameter (`access_token` is one that is looked at) was refused, or is the backend's: either way no log's. */
function withoutTokens(query: string): string {
  if (!query.includes(JWT_BEGINS)) return query;
  return query.replaceAll(RUN, (run) => {
    const at = run.indexOf(JWT_BEGINS);
    return at === -1 || !run.includes('.', at) ? run : `${run.slice(0, at)}<hidden>`;
  });
}

/** Once a request is canonical, nothing in its method and authority needs an escape. */
function requestLine(x: EngineExchange): string {
  const target = x.query === '' ? x.path : x.path + withoutTokens(x.query);
  return x.host === ''
    ? `${text(x.method)},"authority":${text(x.authority)},"path":${text(target)},`
    : `"${x.method}","authority":"${x.authority}","path":${text(target)},`;
}

function outcome(x: EngineExchange): string {
  const status = x.reply?.status ?? x.response?.status ?? 0;
  const called = x.call === undefined || x.call.status < 0 ? '' : `,"grpc_status":${x.call.status}`;
  const rest = called + optional('flags', x.flags) + optional('details', x.details);
  return rest === '' ? `"status":${status}` : `"status":${status}${rest}`;
}

function upstream(x: EngineExchange): string {
  const { cluster, endpoint } = x;
  if (cluster === undefined) return '';
  const name = partOf(cluster, 'cluster', cluster.name);
  const target = endpoint === undefined ? '' : endpointPart(endpoint);
  const wait = x.responseMs === 0 ? '' : `,"upstream_ms":${x.responseMs - x.upstreamStartMs}`;
  return `${name}${target},"attempts":${x.attempts}${wait}`;
}

function bytes(end: RequestEnd): string {
  const sent = end.bytesSent === undefined ? '' : `,"bytes_sent":${end.bytesSent}`;
  return end.bytesReceived === undefined ? sent : `${sent},"bytes_received":${end.bytesReceived}`;
}

function listenerAndRoute({ listener, route }: EngineExchange): string {
  const first = listener === undefined ? '' : partOf(listener, 'listener', listener.name);
  return route?.name === undefined ? first : first + partOf(route, 'route', route.name);
}

/** As Istio's metrics call it; left out where a plain connection, or nothing, is known. */
function security({ proof, mutual }: Peer): string {
  if (mutual === true) return ',"connection_security_policy":"mutual_tls"';
  return proof === undefined ? '' : `,"connection_security_policy":"${proof}"`;
}

/** Names as Istio's metadata has them, so that what reads its logs finds them. */
function shadow(action: 'allow' | 'deny', given: ShadowResult | undefined): string {
  if (given === undefined) return '';
  const name = `istio_dry_run_${action}_shadow`;
  return `,"${name}_engine_result":"${given.result}"${optional(`${name}_effective_policy_id`, given.policyId)}`;
}

/** The policy that decided, and what others said beside it. */
function authorization({ decidedBy, decidedRule, marks }: EngineExchange): string {
  if (decidedBy === '' && marks === undefined) return '';
  const rule = decidedRule === undefined ? '' : `,"policy_rule":${decidedRule}`;
  const decided = optional('policy', decidedBy) + rule;
  if (marks === undefined) return decided;
  const { shadowAllow, shadowDeny, audit, asked = [] } = marks;
  return (
    decided +
    shadow('deny', shadowDeny) +
    shadow('allow', shadowAllow) +
    optional('audit_policy_id', audit) +
    optional('ext_authz', asked.map(({ provider, result }) => `${provider}=${result}`).join(','))
  );
}

/** Request and trace ids were checked or made by trace-context.ts: plain tokens. */
export function recordRequest(x: EngineExchange, end: RequestEnd, host: Host): void {
  if (host.accessLog?.isOn === false) return;
  host.log(
    `${opening(x.startMs)}${requestLine(x)}${outcome(x)}${listenerAndRoute(x)}${upstream(x)}` +
      `,"duration_ms":${host.clock.nowMs() - x.startMs}${bytes(end)}${end.cancelled === true ? ',"cancelled":true' : ''}` +
      `,"client":${text(x.remoteIp)}${optional('principal', x.peer.principal)}${security(x.peer)}${authorization(x)}` +
      `,"request_id":"${x.requestId}","trace_id":"${x.traceId}","snapshot":"${x.linked.pointer.snapshot}"}`,
  );
}

/** The same names as a request's line has, as far as there is such a thing. */
export function recordConnection(x: EngineExchange, end: ConnectionEnd, host: Host): void {
  if (host.accessLog?.isOn === false) return;
  const { cluster, endpoint } = x;
  const name = cluster === undefined ? '' : partOf(cluster, 'cluster', cluster.name);
  const target = endpoint === undefined ? '' : endpointPart(endpoint);
  host.log(
    `{"time":${x.startMs},"protocol":"tcp","port":${x.port}${optional('sni', x.peer.tls?.sni)}` +
      `${optional('flags', x.flags)}${optional('details', x.details)}${listenerAndRoute(x)}${name}${target}` +
      `,"attempts":${x.attempts},"duration_ms":${host.clock.nowMs() - x.startMs}` +
      `,"bytes_sent":${end.bytesSent},"bytes_received":${end.bytesReceived}` +
      `,"client":${text(x.remoteIp)}${optional('principal', x.peer.principal)}${security(x.peer)}${authorization(x)}` +
      `,"snapshot":"${x.linked.pointer.snapshot}"}`,
  );
}
