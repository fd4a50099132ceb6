import { describe, expect, test } from 'vitest';
import {
  cluster,
  clusterName,
  endpoint,
  forward,
  listener,
  overlay,
  retryPolicy,
  route,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import { bench } from '../../test/fixtures/bench.ts';
import type { SnapshotParts } from '../../test/fixtures/snapshots.ts';
import type { FakeHost } from '../host/fake-host.ts';
import { ResponseHeaderList } from '../lib/header-list.ts';
import type { Filter } from '../model/policy.ts';
import type { Route } from '../model/snapshot.ts';

const withRoutes = (...routes: readonly Route[]): SnapshotParts => ({
  listeners: [listener({ virtualHosts: [virtualHost(routes)] })],
});
const ok = (fields: readonly (readonly [string, string])[] = []): ResponseHeadOf =>
  new ResponseHeaderList(200, fields);
type ResponseHeadOf = ResponseHeaderList;
const lineOf = (host: FakeHost): Record<string, unknown> =>
  JSON.parse(host.lines[0] ?? '{}') as Record<string, unknown>;

describe('gRPC-Web', () => {
  const shop = virtualHost([route()]);
  const bridging = { listeners: [listener({ grpcWeb: true, virtualHosts: [shop] })] };
  const ofRoute = withRoutes(
    route({ match: { path: { kind: 'exact', value: '/svc/Call' } }, grpcWeb: true }),
    route(),
  );
  const fields = [['content-type', 'application/grpc-web']] as const;
  const sent = (parts: SnapshotParts, target: string, bridgesGrpcWeb = false) => {
    const { engine, begin } = bench(parts, { bridgesGrpcWeb });
    const x = begin(target, fields, { method: 'POST' });
    engine.onRequest(x);
    return [x.request.get('content-type'), x.grpcWeb !== undefined, x.call !== undefined];
  };
  const bridged = ['application/grpc', true, true];
  const passed = ['application/grpc-web', false, false];

  test('becomes gRPC where a listener or a route says so', () => {
    expect(sent(bridging, '/svc/Call', true)).toEqual(bridged);
    expect(sent(ofRoute, '/svc/Call', true)).toEqual(bridged);
    expect(sent(ofRoute, '/svc/Other', true)).toEqual(passed);
  });

  test('stays what it is where drivers can not turn its bodies', () => {
    for (const parts of [bridging, ofRoute]) expect(sent(parts, '/svc/Call')).toEqual(passed);
  });
});

describe('the way of a request', () => {
  test('no more are under way than the pool takes', () => {
    const pool = { maxRequests: 1 };
    const { engine, begin } = bench({ clusters: [cluster('shop', { pool })] });
    const [first, second, third] = [begin('/'), begin('/'), begin('/')];
    expect(engine.onRequest(first)).toBe('forward');
    expect(engine.onRequest(second)).toBe('reply');
    expect(second.reply).toMatchObject({ status: 503 });
    expect(second.reply?.body).toContain('overflow');
    expect(second.flags).toContain('UO');
    engine.onResponse(first, ok());
    engine.onEnd(first);
    engine.onEnd(second);
    expect(engine.onRequest(third)).toBe('forward');
  });

  test('forward, deliver, one log line; nothing waits', () => {
    const { engine, host, begin } = bench();
    const x = begin('/a/../b?c=d');
    expect(engine.onRequest(x)).toBe('forward');
    expect(x.waiting).toBeUndefined();
    expect(x).toMatchObject({
      path: '/b',
      upstreamTarget: '/b?c=d',
      upstreamAuthority: 'shop.test',
      attempts: 1,
    });
    expect(x.endpoint?.address).toBe('10.0.0.1');
    host.advance(12);
    expect(engine.onResponse(x, ok())).toBe('deliver');
    engine.onEnd(x, { bytesSent: 5 });
    expect(host.lines).toHaveLength(1);
    expect(lineOf(host)).toMatchObject({
      method: 'GET',
      authority: 'shop.test',
      path: '/b?c=d',
      status: 200,
      endpoint: '10.0.0.1:8080',
      attempts: 1,
      duration_ms: 12,
      upstream_ms: 12,
      bytes_sent: 5,
      snapshot: 's1',
      client: '192.0.2.7',
    });
  });

  test.each([
    [
      'no virtual host',
      { listeners: [listener({ virtualHosts: [virtualHost([route()], ['other.test'])] })] },
      404,
      'NR',
      '',
    ],
    ['no route', withRoutes(), 404, 'NR', ''],
    ['unknown cluster', withRoutes(route({ action: forward('gone') })), 503, 'NC', ''],
    [
      'no destination',
      withRoutes(route({ action: { kind: 'forward', destinations: [] } })),
      503,
      'NC',
      '',
    ],
    [
      'blocked host',
      { listeners: [listener({ unmatchedHost: 'block', virtualHosts: [] })] },
      502,
      '',
      '',
    ],
    [
      'direct response',
      withRoutes(route({ action: { kind: 'respond', status: 418, body: 'tea' } })),
      418,
      '',
      'tea',
    ],
    [
      'bytes',
      withRoutes(
        route({ action: { kind: 'respond', status: 200, body: 'AP8=', bodyBase64: true } }),
      ),
      200,
      '',
      Uint8Array.of(0, 255),
    ],
  ] as const)('%s', (...[, parts, status, flags, body]) => {
    const { engine, host, begin } = bench(parts);
    const x = begin();
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply).toMatchObject({ status, body });
    engine.onEnd(x);
    expect(lineOf(host)).toMatchObject({ status, ...(flags === '' ? {} : { flags }) });
  });

  test('no healthy endpoint is 503 UH with the text of Envoy', () => {
    const sick = overlay({ [clusterName('shop')]: [endpoint('10.0.0.1', { healthy: false })] });
    const { engine, begin } = bench({}, { endpoints: sick });
    const x = begin();
    expect(engine.onRequest(x)).toBe('reply');
    expect(x).toMatchObject({
      flags: 'UH',
      attempts: 0,
      reply: { status: 503, body: 'no healthy upstream' },
    });
  });

  test('nothing listens on the port: the connection is closed', () => {
    const { engine, begin } = bench({ listeners: [] });
    const x = begin();
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply?.close).toBe(true);
  });

  test('a host that nobody knows passes where the mesh lets it', () => {
    const outbound = listener({
      direction: 'outbound',
      unmatchedHost: 'passthrough',
      virtualHosts: [],
    });
    const { engine, begin } = bench({ listeners: [outbound], type: 'sidecar-outbound' });
    const x = begin('/x', [], { authority: 'example.org:8080' });
    expect(engine.onRequest(x)).toBe('forward');
    expect(x.cluster).toMatchObject({ name: 'PassthroughCluster', discovery: 'original' });
    expect(x.upstreamAuthority).toBe('example.org:8080');
  });

  test.each(['', 'a b', 'a:x', 'shop.test,x'])(
    'authority %j never reaches a backend',
    (authority) => {
      const { engine, begin } = bench();
      const x = begin('/', [], { authority });
      expect(engine.onRequest(x)).toBe('reply');
      expect([400, 404]).toContain(x.reply?.status);
    },
  );

  test('https only: 301 with the port that was sent', () => {
    const host = { ...virtualHost([route()]), httpsRedirect: true };
    const { engine, begin } = bench({ listeners: [listener({ virtualHosts: [host] })] });
    const x = begin('/p?q', [['x-forwarded-proto', 'https']], { authority: 'shop.test:80' });
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply).toMatchObject({
      status: 301,
      headers: [['location', 'https://shop.test:80/p?q']],
    });
  });

  test('a gRPC caller gets HTTP 200 with a status', () => {
    const { engine, begin } = bench(withRoutes());
    const x = begin('/svc/Call', [['content-type', 'application/grpc+proto']], { method: 'POST' });
    engine.onRequest(x);
    expect(x.reply?.status).toBe(200);
    expect(Object.fromEntries(x.reply?.headers ?? [])).toMatchObject({
      'grpc-status': '12',
      'content-type': 'application/grpc',
    });
  });
});

describe('filters', () => {
  const guarded = { listeners: [listener({ filters: [{ kind: 'test', config: {} }] })] };
  const denied = { status: 403, body: 'no', headers: [], flag: '', details: 'denied' } as const;

  test('an answer ends it', () => {
    const { engine, begin } = bench(guarded, { filter: { request: () => denied } });
    const x = begin();
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply).toMatchObject({ status: 403, body: 'no' });
  });

  test('a promise makes the driver wait, then it goes on', async () => {
    const { engine, begin } = bench(guarded, {
      filter: { request: () => Promise.resolve(undefined) },
    });
    const x = begin();
    expect(engine.onRequest(x)).toBe('wait');
    await x.waiting;
    expect(engine.resume(x)).toBe('forward');
  });

  test.each([
    [
      'throws',
      (): never => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('one that %s refuses, and its message stays inside', async (_name, request) => {
    const { engine, host, begin } = bench(guarded, { filter: { request } });
    const x = begin();
    let step = engine.onRequest(x);
    if (step === 'wait') {
      await x.waiting;
      step = engine.resume(x);
    }
    expect(step).toBe('reply');
    expect(x.reply).toMatchObject({ status: 500, body: '' });
    engine.onEnd(x);
    expect(lineOf(host)['details']).toContain('broken');
  });

  test('response filters see upstream responses and local replies', () => {
    const filter: Filter = { response: (x) => x.response?.set('x-seen', 'yes') };
    const { engine, begin } = bench(
      {
        listeners: [
          listener({
            filters: [{ kind: 'test', config: {} }],
            virtualHosts: [
              virtualHost([route({ match: { path: { kind: 'exact', value: '/' } } })]),
            ],
          }),
        ],
      },
      { filter },
    );
    const x = begin();
    engine.onRequest(x);
    const head = ok();
    engine.onResponse(x, head);
    expect(head.get('x-seen')).toBe('yes');
    const local = begin('/none');
    expect(engine.onRequest(local)).toBe('reply');
    expect(local.reply?.headers).toContainEqual(['x-seen', 'yes']);
  });

  test('one that fails while it counts does not cost the line', () => {
    const filter: Filter = {
      done: () => {
        throw new Error('counter');
      },
    };
    const { engine, host, begin } = bench(guarded, { filter });
    const x = begin();
    engine.onRequest(x);
    engine.onResponse(x, ok());
    engine.onEnd(x);
    expect(host.lines.some((line) => line.includes('"status":200'))).toBe(true);
  });
});

describe('what the backend sees', () => {
  test('rewrites, header operations and where it came from', () => {
    const action = forward('shop', {
      rewrite: { kind: 'prefix', prefix: '/api', value: '/v2' },
      authority: 'inner.test',
    });
    const ops = {
      remove: ['x-gone'],
      set: [{ name: 'x-path', value: [{ op: 'REQ', args: [':path'] }] }],
    };
    const { engine, begin } = bench(withRoutes(route({ action, requestHeaders: ops })));
    const x = begin('/api/a?b', [
      ['x-gone', '1'],
      ['x-envoy-original-path', '/forged'],
      ['x-forwarded-for', '198.51.100.1'],
    ]);
    engine.onRequest(x);
    expect(x).toMatchObject({ upstreamTarget: '/v2/a?b', upstreamAuthority: 'inner.test' });
    const { request } = x;
    expect(request.get('x-envoy-original-path')).toBe('/api/a?b');
    expect(request.get('x-envoy-original-host')).toBe('shop.test');
    expect(request.get('x-forwarded-for')).toBe('198.51.100.1,192.0.2.7');
    expect(request.get('x-path')).toBe('/api/a?b');
    expect(request.has('x-gone')).toBe(false);
  });

  test('a draw decides between weights, in half-open intervals, and mirrors go once', async () => {
    const destinations = [
      { cluster: clusterName('a'), weight: 90 },
      { cluster: clusterName('b'), weight: 10 },
    ];
    const parts: SnapshotParts = {
      ...withRoutes(
        route({
          action: forward('', { destinations }),
          mirrors: [{ cluster: clusterName('a'), percent: 100 }],
          retry: retryPolicy(),
        }),
      ),
      clusters: [cluster('a', { balancer: 'ROUND_ROBIN' }), cluster('b')],
    };
    const endpoints = overlay({
      [clusterName('a')]: [endpoint('10.0.0.1')],
      [clusterName('b')]: [endpoint('10.0.0.2')],
    });
    for (const [draw, service] of [
      [0, 'a'],
      [0.8999, 'a'],
      [0.9, 'b'],
      [0.9999, 'b'],
    ] as const) {
      const { engine, begin } = bench(parts, { endpoints, draws: [draw], sleepless: true });
      const x = begin();
      engine.onRequest(x);
      expect(x.cluster?.service).toBe(service);
      expect(x.mirrors).toHaveLength(1);
      engine.onFailure(x, 'connect-failure');
      await x.waiting;
      engine.resume(x);
      expect(x.mirrors).toHaveLength(0);
    }
  });
});

describe('filters that yield', () => {
  const refusal = { status: 403, body: 'no', headers: [], flag: '', details: 'test' };
  const guard = (fields: Partial<Parameters<typeof listener>[0]> = {}): SnapshotParts => ({
    listeners: [listener({ filters: [{ kind: 'test', config: {}, yields: true }], ...fields })],
  });
  const refuses: Filter = { request: () => refusal };

  test.each<[string, SnapshotParts]>([
    ['a route', guard()],
    ['no virtual host', guard({ virtualHosts: [] })],
    ['no route', guard({ virtualHosts: [virtualHost([])] })],
    ['passthrough', guard({ virtualHosts: [], unmatchedHost: 'passthrough' })],
    [
      'a redirect',
      guard({
        virtualHosts: [virtualHost([route({ action: { kind: 'redirect', status: 302 } })])],
      }),
    ],
    [
      'a direct response',
      guard({ virtualHosts: [virtualHost([route({ action: { kind: 'respond', status: 200 } })])] }),
    ],
  ])('refuse where there is %s', (_name, parts) => {
    const { engine, begin } = bench(parts, { filter: refuses });
    const x = begin();
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply).toMatchObject({ status: 403, details: 'test' });
  });

  test('let pass what they let pass: passthrough, and what no route takes', () => {
    const open = bench(guard({ virtualHosts: [], unmatchedHost: 'passthrough' }));
    expect(open.engine.onRequest(open.begin())).toBe('forward');
    const none = bench(guard({ virtualHosts: [] }));
    const x = none.begin();
    expect(none.engine.onRequest(x)).toBe('reply');
    expect(x.reply?.status).toBe(404);
  });

  test('wait, and the request then goes where it would have gone', async () => {
    const late: Filter = { request: () => Promise.resolve(undefined) };
    const { engine, begin } = bench(guard({ virtualHosts: [] }), { filter: late });
    const x = begin();
    expect(engine.onRequest(x)).toBe('wait');
    await x.waiting;
    expect(engine.resume(x)).toBe('reply');
    expect(x.reply?.status).toBe(404);
  });

  test('see every reply, those before the route included', () => {
    const marks: Filter = { response: (x) => x.response?.set('x-seen', '1') };
    const { engine, begin } = bench(guard(), { filter: marks });
    const x = begin('/%00');
    engine.onRequest(x);
    expect(x.reply).toMatchObject({ status: 400, headers: [['x-seen', '1']] });
  });
});

describe('a body past its limit', () => {
  test('is answered as the policy says, and its attempt is over', () => {
    const reply = { status: 413, body: 'much', headers: [], flag: '', details: 'too_large' };
    const limits: Filter = {
      request: (x) => {
        x.bodyLimit = { maxBytes: 1, reply, policy: 'a/b' };
        return undefined;
      },
    };
    const parts = { listeners: [listener({ filters: [{ kind: 'test', config: {} }] })] };
    const { engine, host, begin } = bench(parts, { filter: limits });
    const x = begin();
    expect(engine.onRequest(x)).toBe('forward');
    expect(engine.onBodyTooLarge(x)).toBe('reply');
    engine.onEnd(x);
    expect(x.reply).toMatchObject({ status: 413, body: 'much' });
    expect(lineOf(host)).toMatchObject({ status: 413, details: 'too_large', policy: 'a/b' });
  });
});

describe('the retry budget', () => {
  const REQUESTS = 10;
  /** How many of the requests that all fail at once are repeated. */
  function repeated(failure: 'connect-failure' | 'reset-before-request' | 'reset'): number {
    const retry = retryPolicy({ on: ['reset'] });
    const { engine, begin } = bench(withRoutes(route({ retry })), { sleepless: true });
    const all = Array.from({ length: REQUESTS }, () => begin());
    for (const x of all) expect(engine.onRequest(x)).toBe('forward');
    return all.filter((x) => engine.onFailure(x, failure) === 'wait').length;
  }

  test('holds back what an upstream has had once already', () => {
    expect(repeated('reset')).toBe(3);
  });

  test('leaves alone what has not reached one: the others get no more than they are asked', () => {
    expect(repeated('connect-failure')).toBe(REQUESTS);
    expect(repeated('reset-before-request')).toBe(REQUESTS);
  });
});
