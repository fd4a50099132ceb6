/** The one place where failures become responses: status, body and flag as Envoy's. */
import type { UpstreamFailure } from '../model/error.ts';
import type { LocalReply } from '../model/exchange.ts';
import type { RedirectAction, RespondAction } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';
import { redirectLocation } from './rewrite.ts';

const PLAIN: LocalReply['headers'] = [['content-type', 'text/plain']];
const NOTHING: LocalReply['headers'] = [];

function reply(status: number, flag: string, details: string, body = ''): LocalReply {
  return { status, flag, details, body, headers: body === '' ? NOTHING : PLAIN };
}

type ReplyName =
  | 'noRoute'
  | 'noCluster'
  | 'noHealthyUpstream'
  | 'noDestination'
  | 'blockedHost'
  | 'badPath'
  | 'badAuthority'
  | 'filterFailed'
  | 'timeout'
  | 'perTryTimeout'
  | 'noListener'
  | 'mtlsRefused'
  | 'misdirected';

export const replies: Readonly<Record<ReplyName, LocalReply>> = {
  noRoute: reply(404, 'NR', 'route_not_found'),
  noCluster: reply(503, 'NC', 'cluster_not_found'),
  noHealthyUpstream: reply(503, 'UH', 'no_healthy_upstream', 'no healthy upstream'),
  noDestination: reply(503, 'NC', 'no_destination'),
  blockedHost: reply(502, '', 'host_not_in_registry'),
  badPath: reply(400, '', 'path_normalization_failed'),
  badAuthority: reply(400, '', 'invalid_host'),
  filterFailed: reply(500, '', 'filter_failed'),
  timeout: reply(504, 'UT', 'upstream_response_timeout', 'upstream request timeout'),
  perTryTimeout: reply(504, 'UT', 'upstream_per_try_timeout', 'upstream request timeout'),
  /** PeerAuthentication: plaintext where mutual TLS is wanted, or the other way round. */
  mtlsRefused: { ...reply(421, 'UC', 'peer_authentication'), close: true },
  /** Over this connection another server name was agreed on than that of the listener for the host. */
  misdirected: reply(421, 'NR', 'misdirected_request'),
  /** A refused or closed connection: nothing listens there, or not for this server name. */
  noListener: { ...reply(421, 'NR', 'no_listener'), close: true },
};

export function badRequest(details: string): LocalReply {
  return reply(400, '', details);
}

/** A connection that is refused, or closed before anything was sent. */
export function closed(flag: string, details: string): LocalReply {
  return { ...reply(421, flag, details), close: true };
}

/** A backend that a route names and that can't be used keeps its share of the requests. */
export function invalidBackend(status: number): LocalReply {
  return reply(status, 'NC', 'backend_invalid');
}

export function redirectReply(x: EngineExchange, action: RedirectAction): LocalReply {
  return {
    status: action.status,
    body: '',
    headers: [['location', redirectLocation(x, action)]],
    flag: '',
    details: 'direct_response',
  };
}

export function directReply({ status, body: text = '', bodyBase64 }: RespondAction): LocalReply {
  const body =
    bodyBase64 === true ? Uint8Array.from(atob(text), (char) => char.charCodeAt(0)) : text;
  return {
    status,
    body,
    headers: body.length === 0 ? [] : [['content-type', 'text/plain']],
    flag: '',
    details: 'direct_response',
  };
}

const REASONS: Readonly<Record<UpstreamFailure, readonly [flag: string, reason: string]>> = {
  'connect-failure': ['UF', 'remote connection failure'],
  'connect-timeout': ['UF', 'connection timeout'],
  'refused-stream': ['UR', 'remote refused stream reset'],
  'reset-before-request': ['UC', 'connection termination'],
  reset: ['UC', 'connection termination'],
  'protocol-error': ['UPE', 'protocol error'],
  'alpn-mismatch': ['UF', 'remote connection failure, transport failure reason: h2 not negotiated'],
  'certificate-refused': [
    'UF',
    'remote connection failure, transport failure reason: certificate not accepted',
  ],
  'tls-unavailable': [
    'UF',
    'remote connection failure, transport failure reason: no certificate to show',
  ],
  'upgrade-unsupported': ['UPE', 'upgrade not supported by upstream'],
  timeout: ['UT', 'timeout'],
  overflow: ['UO', 'overflow'],
  unknown: ['UF', 'connection termination'],
};

/** An attempt brought no response and may not be repeated. */
export function upstreamFailed(failure: UpstreamFailure, attempts: number): LocalReply {
  if (failure === 'timeout') return replies.perTryTimeout;
  const [flag, reason] = REASONS[failure];
  const status = flag === 'UPE' ? 502 : 503;
  const again = attempts > 1 ? 'retried and the latest ' : '';
  return reply(
    status,
    flag,
    `upstream_reset_before_response_started{${reason.replaceAll(' ', '_')}}`,
    `upstream connect error or disconnect/reset before headers. ${again}reset reason: ${reason}`,
  );
}

const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 4,
};

/** What a gRPC caller reads in an HTTP status. */
export function grpcStatusOf(status: number): number {
  return GRPC_STATUS[status] ?? 2;
}

/** As gRPC over HTTP/2 says: only what isn't printable is encoded, and the percent sign itself. */
export function grpcMessage({ body }: Pick<LocalReply, 'body'>): string {
  const text = typeof body === 'string' ? body : '';
  return text.toWellFormed().replaceAll(/[^ -$&-~]/gu, (char) => encodeURIComponent(char));
}

/** gRPC callers get HTTP 200 with the status in the head. */
export function toGrpc(local: LocalReply): LocalReply {
  if (local.headers.some(([name]) => name === 'grpc-status')) return local;
  const message = grpcMessage(local);
  return {
    ...local,
    status: 200,
    body: '',
    headers: [
      ...local.headers.filter(([name]) => name !== 'content-type'),
      ['content-type', 'application/grpc'],
      ['grpc-status', String(grpcStatusOf(local.status))],
      ...(message === '' ? [] : [['grpc-message', message] as const]),
    ],
  };
}
