/** x-request-id and W3C trace context, in and out. */
import type { Random } from '../host/host.ts';
import type { EngineExchange } from './exchange.ts';

const PARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACE_START = 3;
const TRACE_END = 35;
const SPAN_START = 36;
const SPAN_END = 52;
const REQUEST_ID = /^[-A-Za-z0-9._~+/=:@]{1,128}$/;
const ZERO_TRACE = '0'.repeat(32);
const ZERO_SPAN = '0'.repeat(16);

/** RFC 9562, 4.1: two bits of an id say how it is laid out. */
const VARIANTS = '89ab';
const DIGITS = '0123456789abcdef';

function freshId(random: Random): string {
  const hex = random.hex(16);
  const variant = VARIANTS.charAt(DIGITS.indexOf(hex.charAt(16)) & 3);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A parent that isn't well-formed starts a new trace; its tracestate then goes too. */
export function applyTraceContext(x: EngineExchange, random: Random): void {
  const { request } = x;
  const given = request.get('x-request-id');
  x.requestId = given !== undefined && REQUEST_ID.test(given) ? given : freshId(random);
  if (x.requestId !== given) request.set('x-request-id', x.requestId);
  const parent = request.get('traceparent');
  const isSound = parent !== undefined && isSoundParent(parent);
  x.traceId = isSound ? parent.slice(TRACE_START, TRACE_END) : random.hex(16);
  x.spanId = random.hex(8);
  if (!isSound) request.remove('tracestate');
  request.set(
    'traceparent',
    isSound
      ? parent.slice(0, SPAN_START) + x.spanId + parent.slice(SPAN_END)
      : `00-${x.traceId}-${x.spanId}-01`,
  );
}

/** Version 00, and neither id all zeros. */
function isSoundParent(parent: string): boolean {
  return (
    PARENT.test(parent) &&
    !parent.startsWith(ZERO_TRACE, TRACE_START) &&
    !parent.startsWith(ZERO_SPAN, SPAN_START)
  );
}
