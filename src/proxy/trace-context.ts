/** x-request-id and W3C trace context, in and out. */
import type { Random } from '../host/host.ts';
import type { EngineExchange } from './exchange.ts';

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const REQUEST_ID = /^[-A-Za-z0-9._~+/=:@]{1,128}$/;
const ZERO_TRACE = '0'.repeat(32);
const ZERO_SPAN = '0'.repeat(16);

function freshId(random: Random): string {
  const hex = random.hex(16);
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) & 3] ?? '8';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A parent that isn't well-formed starts a new trace; its tracestate then goes too. */
export function applyTraceContext(x: EngineExchange, random: Random): void {
  const given = x.request.get('x-request-id');
  x.requestId = given !== undefined && REQUEST_ID.test(given) ? given : freshId(random);
  if (x.requestId !== given) x.request.set('x-request-id', x.requestId);
  const parent = PARENT.exec(x.request.get('traceparent') ?? '');
  const [, version = '', trace = '', span = '', flags = '01'] = parent ?? [];
  const isSound = parent !== null && version === '00' && trace !== ZERO_TRACE && span !== ZERO_SPAN;
  x.traceId = isSound ? trace : random.hex(16);
  x.spanId = random.hex(8);
  if (!isSound) x.request.remove('tracestate');
  x.request.set('traceparent', `00-${x.traceId}-${x.spanId}-${isSound ? flags : '01'}`);
}
