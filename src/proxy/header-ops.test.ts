import { describe, expect, test } from 'vitest';
import { forward, route } from '../../test/fixtures/snapshots.ts';
import { RequestHeaderList } from '../lib/header-list.ts';
import type { Destination, HeaderOps, TemplatePart } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';
import { applyRouteHeaders } from './header-ops.ts';
import { renderTemplate } from './template.ts';

const line = { method: 'GET', scheme: 'http', authority: 'h:80', target: '/a?b' } as const;

function exchange(headers: readonly (readonly [string, string])[] = []): EngineExchange {
  const request = new RequestHeaderList(line, headers);
  return {
    ...line,
    request,
    path: '/a',
    query: '?b',
    remoteIp: '192.0.2.7',
    peer: { ip: '192.0.2.7' },
  } as unknown as EngineExchange;
}

const setting = (value: string): HeaderOps => ({ set: [{ name: 'x-who', value: [value] }] });

function whoWins(count: number): string | undefined {
  const destination: Destination = {
    cluster: 'c',
    weight: 1,
    requestHeaders: setting('destination'),
  };
  const destinations = Array.from({ length: count }, () => destination);
  const x = {
    ...exchange(),
    destination,
    route: route({ action: forward('', { destinations }), requestHeaders: setting('route') }),
  } as EngineExchange;
  applyRouteHeaders(x, x.request, 'requestHeaders');
  return x.request.get('x-who');
}

describe('order', () => {
  test('one destination comes behind its route, several before it', () => {
    expect(whoWins(1)).toBe('destination');
    expect(whoWins(2)).toBe('route');
  });

  test('remove, then set, then add', () => {
    const x = { ...exchange([['x-mark', 'client']]), destination: undefined } as EngineExchange;
    const requestHeaders: HeaderOps = {
      add: [{ name: 'x-mark', value: ['second'] }],
      set: [{ name: 'x-mark', value: ['first'] }],
      remove: ['x-mark'],
    };
    x.route = route({ requestHeaders });
    applyRouteHeaders(x, x.request, 'requestHeaders');
    expect(x.request.getAll('x-mark')).toEqual(['first', 'second']);
  });
});

describe('templates', () => {
  const render = (
    parts: readonly TemplatePart[],
    headers: readonly (readonly [string, string])[] = [],
  ): string => renderTemplate(exchange(headers), parts);

  test.each([
    [['a-', { op: 'REQ', args: ['x-a'] }], 'a-1'],
    [[{ op: 'REQ', args: ['x-none', ':authority'] }], 'h:80'],
    [[{ op: 'REQ', args: [':path'], max: 2 }], '/a'],
    [[{ op: 'REQ', args: ['x-none'] }], ''],
    [[{ op: 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', args: [] }], '192.0.2.7'],
  ] as const)('%j gives %j', (parts, wanted) => {
    expect(render(parts, [['x-a', '1']])).toBe(wanted);
  });

  test('a line break in what a client sent makes no field', () => {
    expect(render([{ op: 'REQ', args: ['x-a'] }], [['x-a', 'b\r\nx-evil: 1\0']])).toBe(
      'bx-evil: 1',
    );
  });
});
