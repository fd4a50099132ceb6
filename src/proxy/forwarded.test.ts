import { describe, expect, test } from 'vitest';
import { RequestHeaderList } from '../lib/header-list.ts';
import type { Peer } from '../model/identity.ts';
import type { Listener } from '../model/snapshot.ts';
import { listener } from '../../test/fixtures/snapshots.ts';
import type { EngineExchange } from './exchange.ts';
import { addForwarded, clientAddress, stripHopByHop, stripTrustHeaders } from './forwarded.ts';

type Fields = readonly (readonly [string, string])[];

function exchange(
  headers: Fields,
  direction: Listener['direction'] = 'gateway',
  peer: Peer = { ip: '192.0.2.7' },
): EngineExchange {
  const line = { method: 'GET', scheme: 'https', authority: 'h', target: '/' } as const;
  const request = new RequestHeaderList(line, headers);
  return {
    request,
    peer,
    scheme: 'https',
    listener: listener({ direction }),
    linked: { named: { snapshot: { mesh: {} } } },
  } as unknown as EngineExchange;
}

const names = ({ request }: EngineExchange): string[] => {
  const seen: string[] = [];
  request.forEach((name) => seen.push(name));
  return seen;
};

describe('hop by hop', () => {
  test('what Connection names goes, and the fields of the hop', () => {
    const x = exchange([
      ['Connection', 'close, X-Secret'],
      ['x-secret', '1'],
      ['keep-alive', 'timeout=5'],
      ['proxy-authorization', 'Basic eA=='],
      ['upgrade', 'h2c'],
      ['te', 'gzip'],
      ['x-stays', '1'],
    ]);
    expect(stripHopByHop(x.request)).toBeUndefined();
    expect(names(x)).toEqual(['x-stays']);
  });

  test('te keeps trailers alone, which gRPC backends ask for', () => {
    const x = exchange([['te', 'gzip, trailers']]);
    stripHopByHop(x.request);
    expect(x.request.get('te')).toBe('trailers');
  });

  test('an upgrade stays only where Connection names it', () => {
    const asked = exchange([
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
    ]);
    stripHopByHop(asked.request);
    expect(asked.request.get('upgrade')).toBe('websocket');
    const alone = exchange([['upgrade', 'websocket']]);
    stripHopByHop(alone.request);
    expect(alone.request.has('upgrade')).toBe(false);
  });

  test.each([
    'host',
    'X-Forwarded-For',
    'close, x-forwarded-proto',
    'content-length',
    'Transfer-Encoding, close',
    ':path',
    'a,b,c,d,e,f,g,h,i,j',
  ])('Connection: %s is refused', (value) => {
    expect(stripHopByHop(exchange([['connection', value]]).request)).toBeTypeOf('string');
  });
});

describe('headers that only the mesh may send', () => {
  const forged: Fields = [
    ['X-Forwarded-Client-Cert', 'URI=spiffe://x'],
    ['x-envoy-internal', 'true'],
    ['x-envoy-upstream-stream-duration-ms', '1'],
    ['x-user', '1'],
  ];

  test('all go at the edge', () => {
    const x = exchange(forged);
    stripTrustHeaders(x, true);
    expect(names(x)).toEqual(['x-user']);
  });

  test('a sidecar passes what steers, never an identity', () => {
    const x = exchange(forged, 'inbound');
    stripTrustHeaders(x, false);
    expect(names(x)).toEqual(['x-envoy-internal', 'x-envoy-upstream-stream-duration-ms', 'x-user']);
  });
});

describe('client address', () => {
  const given: Fields = [
    ['x-forwarded-for', '198.51.100.1, 198.51.100.2'],
    ['x-forwarded-for', '198.51.100.3'],
  ];
  test.each([
    ['gateway', 0, '192.0.2.7'],
    ['gateway', 1, '198.51.100.3'],
    ['gateway', 2, '198.51.100.2'],
    ['gateway', 9, '192.0.2.7'],
    ['inbound', 0, '198.51.100.3'],
  ] as const)('%s behind %i proxies: %s', (direction, hops, wanted) => {
    expect(clientAddress(exchange(given, direction), hops)).toBe(wanted);
  });

  test.each([
    '203.0.113.7:80',
    '[2001:db8::7]',
    '::ffff:203.0.113.7',
    'unknown',
    '203.0.113.7,',
    '0203.0.113.7',
  ])('%s is no bare address', (entry) => {
    expect(clientAddress(exchange([['x-forwarded-for', entry]], 'inbound'), 0)).toBe('192.0.2.7');
  });
});

test('a gateway appends the peer and says the scheme of the connection', () => {
  const x = exchange(
    [
      ['x-forwarded-for', '198.51.100.1'],
      ['x-forwarded-proto', 'http'],
    ],
    'gateway',
    { ip: '::ffff:192.0.2.9' },
  );
  addForwarded(x);
  expect(x.request.get('x-forwarded-for')).toBe('198.51.100.1,192.0.2.9');
  expect(x.request.get('x-forwarded-proto')).toBe('https');
});
