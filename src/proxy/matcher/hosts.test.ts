import { describe, expect, test } from 'vitest';
import { listener, virtualHost } from '../../../test/fixtures/snapshots.ts';
import { linkListeners } from './hosts.ts';

describe('listener of a connection', () => {
  const tls = (name: string, ...serverNames: string[]): ReturnType<typeof listener> =>
    listener({ name, port: 443, protocol: 'HTTPS', serverNames });
  const table = linkListeners([listener(), tls('exact', 'shop.test'), tls('wild', '*.test')]);

  test.each([
    ['shop.test', 'exact'],
    ['SHOP.Test', 'exact'],
    ['other.test', 'wild'],
    ['a.b.test', 'wild'],
    ['test', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('server name %s: %s', (sni, wanted) => {
    expect(table.find(443, sni)?.listener.name).toBe(wanted);
  });

  test('without a server name only a listener for all of them answers', () => {
    const any = linkListeners([tls('exact', 'shop.test'), tls('any', '*')]);
    expect(any.find(443, '')?.listener.name).toBe('any');
    expect(any.find(443, 'x.test')?.listener.name).toBe('any');
  });

  test('the plain port takes anything, an unknown port nothing', () => {
    expect(table.find(80, undefined)?.listener.name).toBe('http-80');
    expect(table.find(81, undefined)).toBeUndefined();
  });
});

test('virtual host: exact, then the longest wildcard, then *; no way back', () => {
  const hosts = linkListeners([
    listener({
      virtualHosts: [
        virtualHost([], ['*']),
        virtualHost([], ['*.test']),
        virtualHost([], ['*.shop.test']),
        virtualHost([], ['a.shop.test']),
      ],
    }),
  ]).find(80, undefined)?.hosts;
  const name = (host: string): string | undefined => hosts?.lookup(host)?.host.name;
  expect(['a.shop.test', 'b.shop.test', 'shop.test', 'else.org'].map((host) => name(host))).toEqual(
    ['a.shop.test', '*.shop.test', '*.test', '*'],
  );
});
