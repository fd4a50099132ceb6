import { describe, expect, test } from 'vitest';
import { bench } from '../../test/fixtures/bench.ts';
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
import type { SnapshotParts } from '../../test/fixtures/snapshots.ts';
import { ResponseHeaderList } from '../lib/header-list.ts';
import type { Route } from '../model/snapshot.ts';

const withRoutes = (...routes: readonly Route[]): SnapshotParts => ({
  listeners: [listener({ virtualHosts: [virtualHost(routes)] })],
});
const ok = (): ResponseHeaderList => new ResponseHeaderList(200, []);

describe('attempts', () => {
  const two = overlay({ [clusterName('shop')]: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] });

  test('a refused connection is tried elsewhere, then given up with the flag URX', async () => {
    const { engine, begin } = bench(withRoutes(route({ retry: retryPolicy({ attempts: 1 }) })), {
      endpoints: two,
      sleepless: true,
    });
    const x = begin();
    engine.onRequest(x);
    const first = x.endpoint?.address;
    expect(engine.onFailure(x, 'connect-failure')).toBe('wait');
    await x.waiting;
    expect(engine.resume(x)).toBe('forward');
    expect(x.endpoint?.address).not.toBe(first);
    expect(engine.onFailure(x, 'connect-failure')).toBe('reply');
    expect(x.flags).toBe('URX,UF');
    expect(x.reply?.status).toBe(503);
    expect(x.reply?.body).toBe(
      'upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure',
    );
  });

  test('a retried response is not delivered, the last one is', async () => {
    const { engine, begin } = bench(
      withRoutes(route({ retry: retryPolicy({ attempts: 1, on: ['5xx'] }) })),
      { sleepless: true },
    );
    const x = begin();
    engine.onRequest(x);
    expect(engine.onResponse(x, new ResponseHeaderList(503, []))).toBe('wait');
    await x.waiting;
    expect(engine.resume(x)).toBe('forward');
    expect(engine.onResponse(x, new ResponseHeaderList(502, []))).toBe('deliver');
    expect(x).toMatchObject({ attempts: 2, flags: 'URX', response: { status: 502 } });
  });

  test('the route timeout bounds all tries and the waits between them', async () => {
    const parts = withRoutes(
      route({
        timeoutMs: 100,
        retry: retryPolicy({ attempts: 5, perTryTimeoutMs: 60, on: ['5xx'] }),
      }),
    );
    const { engine, host, begin } = bench(parts, { sleepless: true, fallback: 0 });
    const x = begin();
    engine.onRequest(x);
    expect(x.attemptTimeoutMs).toBe(60);
    host.advance(60);
    expect(engine.onFailure(x, 'timeout')).toBe('wait');
    await x.waiting;
    expect(engine.resume(x)).toBe('forward');
    expect(x.attemptTimeoutMs).toBe(40);
    host.advance(40);
    expect(engine.onFailure(x, 'timeout')).toBe('reply');
    expect(x.reply).toMatchObject({ status: 504, body: 'upstream request timeout' });
    expect(x.flags).toBe('UT');
  });

  test('retries under way are bounded until they are answered', async () => {
    const { engine, begin } = bench(withRoutes(route({ retry: retryPolicy({ on: ['reset'] }) })), {
      sleepless: true,
    });
    const exchanges = Array.from({ length: 4 }, () => begin());
    const steps = exchanges.map((x) => {
      engine.onRequest(x);
      return engine.onFailure(x, 'reset');
    });
    expect(steps).toEqual(['wait', 'wait', 'wait', 'reply']);
    const [first] = exchanges;
    if (first === undefined) throw new Error('no exchange');
    await first.waiting;
    engine.resume(first);
    const late = begin();
    engine.onRequest(late);
    expect(engine.onFailure(late, 'reset')).toBe('reply');
    engine.onResponse(first, ok());
    const later = begin();
    engine.onRequest(later);
    expect(engine.onFailure(later, 'reset')).toBe('wait');
  });
});

describe('endpoints and waits', () => {
  const retried = (fields: Parameters<typeof retryPolicy>[0], timeoutMs = 0): SnapshotParts => ({
    listeners: [
      listener({ virtualHosts: [virtualHost([route({ timeoutMs, retry: retryPolicy(fields) })])] }),
    ],
    clusters: [cluster('shop', { balancer: 'RANDOM' })],
  });
  const two = overlay({ [clusterName('shop')]: [endpoint('10.0.0.1'), endpoint('10.0.0.2')] });

  test.each([
    [true, '10.0.0.2'],
    [false, '10.0.0.1'],
  ])(
    'previous hosts ignored %s: the second try goes to %s',
    async (ignorePreviousHosts, second) => {
      const parts = retried({ ignorePreviousHosts });
      const { engine, begin } = bench(parts, { endpoints: two, fallback: 0, sleepless: true });
      const x = begin();
      engine.onRequest(x);
      expect(x.endpoint?.address).toBe('10.0.0.1');
      engine.onFailure(x, 'connect-failure');
      await x.waiting;
      engine.resume(x);
      expect(x.endpoint?.address).toBe(second);
    },
  );

  test('a back-off never outlasts the deadline', async () => {
    const parts = retried({ backoffMs: 10_000 }, 50);
    const { engine, host, begin } = bench(parts, {
      endpoints: two,
      fallback: 0.9,
      sleepless: true,
    });
    const x = begin();
    engine.onRequest(x);
    expect(engine.onFailure(x, 'connect-failure')).toBe('wait');
    await x.waiting;
    expect(host.clock.nowMs() - x.startMs).toBe(50);
    expect(engine.resume(x)).toBe('reply');
    expect(x.reply?.status).toBe(504);
  });
});

test.each(['/api../admin', '/api..', '/api.;/x'])(
  'a rewrite never makes a dot segment of %s',
  (path) => {
    const rewrite = { kind: 'prefix', prefix: '/api', value: '/v2/' } as const;
    const match = { path: { kind: 'prefix', value: '/api' } } as const;
    const { engine, begin } = bench(
      withRoutes(route({ match, action: forward('shop', { rewrite }) })),
    );
    const x = begin(path);
    expect(engine.onRequest(x)).toBe('reply');
    expect(x.reply?.status).toBe(400);
    const fine = begin('/api.v1/x');
    expect(engine.onRequest(fine)).toBe('forward');
    expect(fine.upstreamTarget).toBe('/v2/.v1/x');
  },
);
