/** What gRPC asks of a proxy: who speaks it, how long a call may take, and what became of it. */
import { isGrpcType, NO_STATUS } from '../lib/grpc-status.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { GrpcCall, GrpcWebMode, LocalReply } from '../model/exchange.ts';
import type { RequestHead, ResponseHead } from '../model/head.ts';
import { grpcMessage, grpcStatusOf } from './rescue.ts';

const TYPE = 'application/grpc';
const OK = 200;
const UNAVAILABLE = 14;
const MAX_DIGITS = 99_999_999;
/** Timers of runtimes go no further: 24 days are as good as no bound. */
const MAX_TIMER_MS = 0x7fff_ffff;

export const createCall = (): GrpcCall => ({ status: NO_STATUS, timeoutMs: 0, holdsHead: false });

/** In nanoseconds. */
const UNITS: Readonly<Record<string, number>> = {
  H: 3.6e12,
  M: 6e10,
  S: 1e9,
  m: 1e6,
  u: 1e3,
  n: 1,
};

/** Milliseconds, rounded up; undefined = it isn't what the protocol says. */
export function parseGrpcTimeout(text: string): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) return undefined;
  return Math.ceil((Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0)) / 1e6);
}

/** Eight digits at most. */
export function writeGrpcTimeout(timeoutMs: number): string {
  return timeoutMs <= MAX_DIGITS ? `${timeoutMs}m` : `${Math.floor(timeoutMs / 1000)}S`;
}

/** What the caller asks for, at most what the route grants; 0 stands for no bound on both sides. */
export function callTimeoutMs(head: RequestHead, routeMs: number): number {
  const given = head.get('grpc-timeout');
  const asked = given === undefined ? 0 : (parseGrpcTimeout(given) ?? 0);
  if (routeMs > 0 && (asked === 0 || asked > routeMs)) return routeMs;
  return asked > MAX_TIMER_MS ? 0 : asked;
}

/** Of an answer that comes from no gRPC server: the protocol's table, in which 504 is no deadline of the call's own. */
const foreignStatus = (status: number): number =>
  status === 504 ? UNAVAILABLE : grpcStatusOf(status);

/** An error of HTTP in the place of an answer: callers get the status that they would have made of it. */
export function isForeign(head: ResponseHead): boolean {
  return head.status !== OK && !head.has('grpc-status');
}

const OF_BODY = new Set(['content-type', 'content-length', 'content-encoding', 'trailer']);
const OF_HOP = new Set(['transfer-encoding', 'connection', 'date']);

export function foreignReply(head: ResponseHead): LocalReply {
  const headers: [string, string][] = [];
  head.forEach((name, value) => {
    if (!OF_BODY.has(name) && !OF_HOP.has(name)) headers.push([name, value]);
  });
  return {
    status: OK,
    body: '',
    headers: [
      ...headers,
      ['content-type', TYPE],
      ['grpc-status', String(foreignStatus(head.status))],
      ['grpc-message', `upstream answered with HTTP status ${head.status}`],
    ],
    flag: '',
    details: `upstream_status_${head.status}`,
  };
}

export const needsHttp2: LocalReply = {
  status: 505,
  body: 'gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web',
  headers: [['content-type', 'text/plain']],
  flag: '',
  details: 'grpc_over_http1',
};

/** What clients read in the code of a reset, by the protocol's table; all others are INTERNAL. */
const OF_RESET: Readonly<Record<number, number>> = { 8: 1, 11: 8, 12: 7 };

interface Cut {
  readonly status: number;
  readonly flag: string;
  readonly message: string;
}

/** The answer has begun, and no more of it comes. @param code of the upstream's reset, where it sent one */
export function cutCall(failure: UpstreamFailure, code: number | undefined): Cut {
  if (failure === 'timeout')
    return { status: 4, flag: 'UT', message: 'the time of the call is over' };
  if (failure === 'protocol-error')
    return { status: 13, flag: 'UPE', message: 'the upstream broke the protocol' };
  if (failure === 'refused-stream')
    return { status: UNAVAILABLE, flag: 'UR', message: 'the upstream refused the call' };
  if (code === undefined)
    return { status: UNAVAILABLE, flag: 'UC', message: 'the connection to the upstream was lost' };
  return {
    status: OF_RESET[code] ?? 13,
    flag: 'UR',
    message: `the upstream reset the call with code ${code}`,
  };
}

const WEB_TYPE = 'application/grpc-web+proto';
const WEB_TEXT_TYPE = 'application/grpc-web-text+proto';
const BINARY_TYPES = new Set(['application/grpc-web', WEB_TYPE]);
const TEXT_TYPES = new Set(['application/grpc-web-text', WEB_TEXT_TYPE]);

/** Undefined = the request isn't gRPC-Web. */
export function grpcWebMode(head: RequestHead, type: string | undefined): GrpcWebMode | undefined {
  if (type === undefined || !type.startsWith('application/grpc-web')) return undefined;
  const isTextRequest = TEXT_TYPES.has(type);
  if (!isTextRequest && !BINARY_TYPES.has(type)) return undefined;
  return { isTextRequest, isTextResponse: TEXT_TYPES.has(head.get('accept') ?? '') };
}

/** From here on the request is gRPC's: what matched it and judged it before saw what the client sent. */
export function toGrpcRequest(head: RequestHead): void {
  head.set('content-type', TYPE);
  head.set('te', 'trailers');
  // It is the length of what the client wrote, which text has more of.
  if (head.has('content-length')) head.remove('content-length');
  if (!head.has('grpc-accept-encoding')) head.set('grpc-accept-encoding', 'identity');
}

const webType = ({ isTextResponse }: GrpcWebMode): string =>
  isTextResponse ? WEB_TEXT_TYPE : WEB_TYPE;

/** Where a status is said although a body follows, the body is text, and becomes the status' message. */
export function toGrpcWebHead(head: ResponseHead, mode: GrpcWebMode): void {
  const type = head.get('content-type');
  const isWeb = type !== undefined && BINARY_TYPES.has(type);
  const isAnswer = head.status === OK && (isGrpcType(type) || isWeb);
  if (!isAnswer && !head.has('grpc-status'))
    head.set('grpc-status', String(foreignStatus(head.status)));
  if (head.has('content-length')) head.remove('content-length');
  head.set('content-type', webType(mode));
}

/** A gRPC-Web caller reads the status in the head too; the status of HTTP stays. */
export function toGrpcWeb(local: LocalReply, mode: GrpcWebMode): LocalReply {
  const isSaid = local.headers.some(([name]) => name === 'grpc-status');
  const message = isSaid ? '' : grpcMessage(local);
  return {
    ...local,
    body: '',
    headers: [
      ...local.headers.filter(([name]) => !OF_BODY.has(name)),
      ['content-type', webType(mode)],
      ...(isSaid ? [] : [['grpc-status', String(grpcStatusOf(local.status))] as const]),
      ...(message === '' ? [] : [['grpc-message', message] as const]),
    ],
  };
}
