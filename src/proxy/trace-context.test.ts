import { describe, expect, test } from 'vitest';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList } from '../lib/header-list.ts';
import type { EngineExchange } from './exchange.ts';
import { applyTraceContext } from './trace-context.ts';

function applied(headers: readonly (readonly [string, string])[]): EngineExchange {
  const line = { method: 'GET', scheme: 'http', authority: 'h', target: '/' } as const;
  const x = { request: new RequestHeaderList(line, headers) } as unknown as EngineExchange;
  applyTraceContext(x, createFakeHost().random);
  return x;
}

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = `00-${trace}-00f067aa0ba902b7-00`;

describe('traceparent', () => {
  test('the trace and its decision go on, under a span of this hop', () => {
    const x = applied([
      ['traceparent', parent],
      ['tracestate', 'a=1'],
    ]);
    expect(x.traceId).toBe(trace);
    expect(x.request.get('traceparent')).toBe(`00-${trace}-${x.spanId}-00`);
    expect(x.spanId).not.toBe('00f067aa0ba902b7');
    expect(x.request.get('tracestate')).toBe('a=1');
  });

  test.each([
    parent.toUpperCase(),
    `${parent}-x`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `ff-${trace}-00f067aa0ba902b7-01`,
    `${parent},${parent}`,
    '',
  ])('%j starts a new trace, without the state of the old', (given) => {
    const x = applied([
      ['traceparent', given],
      ['tracestate', 'a=1'],
    ]);
    expect(x.traceId).not.toBe(trace);
    expect(x.request.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(x.request.has('tracestate')).toBe(false);
  });
});

describe('x-request-id', () => {
  test('a plain token is kept', () => {
    expect(applied([['x-request-id', 'abc-123']]).requestId).toBe('abc-123');
  });

  test.each(['a b', 'a"b', '', 'x'.repeat(129), 'a,b', 'a\nb'])('%j is replaced', (given) => {
    const x = applied([['x-request-id', given]]);
    expect(x.requestId).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(x.request.get('x-request-id')).toBe(x.requestId);
  });
});
