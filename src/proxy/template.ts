/** Values of header operations: literals and Envoy's operators. */
import type { TemplatePart } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';

type Operator = Exclude<TemplatePart, string>;

function requestField(x: EngineExchange, name: string): string | undefined {
  switch (name.toLowerCase()) {
    case ':method':
      return x.method;
    case ':path':
      return x.path + x.query;
    case ':authority':
    case 'host':
      return x.authority;
    case ':scheme':
      return x.scheme;
    default:
      return x.request.get(name.toLowerCase());
  }
}

function operatorText(x: EngineExchange, { op, args }: Operator): string | undefined {
  switch (op) {
    case 'REQ':
      for (const name of args) {
        const value = requestField(x, name);
        if (value !== undefined) return value;
      }
      return undefined;
    case 'RESP':
      for (const name of args) {
        const value = x.response?.get(name.toLowerCase());
        if (value !== undefined) return value;
      }
      return undefined;
    case 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT':
      return x.remoteIp;
    case 'DOWNSTREAM_REMOTE_ADDRESS':
      return x.peer.port === undefined ? x.remoteIp : `${x.remoteIp}:${x.peer.port}`;
    case 'DOWNSTREAM_PEER_URI_SAN':
      return x.peer.principal === undefined ? undefined : `spiffe://${x.peer.principal}`;
    case 'PROTOCOL':
      return 'HTTP/1.1';
    case 'RESPONSE_CODE':
      return String(x.response?.status ?? x.reply?.status ?? 0);
    case 'RESPONSE_FLAGS':
      return x.flags === '' ? '-' : x.flags;
    case 'ROUTE_NAME':
      return x.route?.name ?? '-';
    case 'UPSTREAM_CLUSTER':
      return x.cluster?.name;
    case 'UPSTREAM_HOST':
      return x.endpoint === undefined ? undefined : `${x.endpoint.address}:${x.endpoint.port}`;
    case 'REQUESTED_SERVER_NAME':
      return x.peer.tls?.sni;
    case 'START_TIME':
      return new Date(x.startMs).toISOString();
    case 'STREAM_ID':
      return x.requestId;
    case 'TRACE_ID':
      return x.traceId;
    default:
      return undefined;
  }
}

/** Line breaks in what a client sent never become fields of their own. */
const BREAKS = /[\r\n\0]/;
const ALL_BREAKS = /[\r\n\0]/g;

export function renderTemplate(x: EngineExchange, parts: readonly TemplatePart[]): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    else {
      const value = operatorText(x, part) ?? '';
      text += part.max === undefined ? value : value.slice(0, part.max);
    }
  }
  return BREAKS.test(text) ? text.replaceAll(ALL_BREAKS, '') : text;
}
