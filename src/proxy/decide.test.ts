import { describe, expect, test } from 'vitest';
import { bench } from '../../test/fixtures/bench.ts';
import { forward, listener, route, virtualHost } from '../../test/fixtures/snapshots.ts';
import type { SnapshotParts } from '../../test/fixtures/snapshots.ts';
import type { Listener } from '../model/snapshot.ts';

const serving = (domain: string, fields: Partial<Listener> = {}): SnapshotParts => ({
  listeners: [listener({ virtualHosts: [virtualHost([route()], [domain])], ...fields })],
});

describe('host', () => {
  test('a trailing dot names the same service in the mesh, another host at a gateway', () => {
    const status = (parts: SnapshotParts): number | undefined => {
      const { engine, begin } = bench(parts);
      const x = begin('/', [], { authority: 'shop.test.' });
      engine.onRequest(x);
      return x.reply?.status;
    };
    expect(status(serving('shop.test', { direction: 'outbound' }))).toBeUndefined();
    expect(status(serving('shop.test'))).toBe(404);
  });

  test('that the shown certificate is not for is misdirected, unless the connection was made for it', () => {
    const { engine, begin } = bench(serving('*'));
    const isFor = (host: string): boolean => host === 'other.test';
    const answer = (authority: string, sni: string): number | string => {
      const x = begin('/', [], {
        authority,
        tls: { sni, mutual: false, isFor },
      });
      return engine.onRequest(x) === 'reply' ? (x.reply?.status ?? 0) : 'forward';
    };
    expect(answer('shop.test', 'shop.test')).toBe('forward');
    expect(answer('other.test', 'shop.test')).toBe('forward');
    expect(answer('secret.test', 'shop.test')).toBe(421);
    expect(answer('secret.test', '')).toBe('forward');
  });

  test('case and port do not count for the lookup, and are forwarded as sent', () => {
    const { engine, begin } = bench(serving('shop.test'));
    const x = begin('/', [], { authority: 'SHOP.test:8080' });
    expect(engine.onRequest(x)).toBe('forward');
    expect(x.upstreamAuthority).toBe('SHOP.test:8080');
  });

  test('the target in absolute form overrides Host', () => {
    const { engine, begin } = bench(serving('shop.test'));
    const x = begin('http://shop.test/a/../b', [], { authority: 'else.test' });
    expect(engine.onRequest(x)).toBe('forward');
    expect(x).toMatchObject({ upstreamAuthority: 'shop.test', upstreamTarget: '/b' });
  });

  test('a port that nobody declared is let through canonically, unless only the registry is allowed', () => {
    const open: SnapshotParts = { listeners: [], type: 'sidecar-outbound' };
    const { engine, begin } = bench(open);
    const x = begin('/a/../b', [
      ['connection', 'x-hop'],
      ['x-hop', '1'],
    ]);
    expect(engine.onRequest(x)).toBe('forward');
    expect(x.upstreamTarget).toBe('/b');
    expect(x.request.has('x-hop')).toBe(false);
    const closed = bench({ ...open, mesh: { outboundPolicy: 'REGISTRY_ONLY' } });
    const y = closed.begin();
    expect(closed.engine.onRequest(y)).toBe('reply');
    expect(y.reply?.close).toBe(true);
  });
});

test("a route's response headers also stand on the proxy's own answers", () => {
  const responseHeaders = { set: [{ name: 'x-rule', value: ['yes'] }] };
  const parts: SnapshotParts = {
    listeners: [
      listener({
        virtualHosts: [virtualHost([route({ action: forward('gone'), responseHeaders })])],
      }),
    ],
  };
  const { engine, begin } = bench(parts);
  const x = begin();
  expect(engine.onRequest(x)).toBe('reply');
  expect(x.reply).toMatchObject({ status: 503 });
  expect(x.reply?.headers).toContainEqual(['x-rule', 'yes']);
});
