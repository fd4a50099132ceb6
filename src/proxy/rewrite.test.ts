import { describe, expect, test } from 'vitest';
import { compileRegex } from '../lib/regex/compile.ts';
import type { RedirectAction } from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';
import { redirectLocation, rewritePath } from './rewrite.ts';

describe('paths', () => {
  test.each([
    ['/ratings/7', '/v1/stars/7'],
    ['/ratings', '/v1/stars'],
    ['/ratingsX', '/v1/starsX'],
  ])('a prefix is text: %s to %s', (given, wanted) => {
    expect(rewritePath(given, { kind: 'prefix', prefix: '/ratings', value: '/v1/stars' })).toBe(
      wanted,
    );
  });

  test.each([
    ['/app', '/app', '/', '/'],
    ['/app/x', '/app', '/', '/x'],
    ['/app/x', '/app/', '/new', '/new/x'],
    ['/app/x', '/app', '/new/', '/new/x'],
  ])('segments join at one slash: %s, %s to %s is %s', (...[given, prefix, value, wanted]) => {
    expect(rewritePath(given, { kind: 'prefix', prefix, value, segment: true })).toBe(wanted);
  });

  test('a regular expression replaces every match, with groups', () => {
    const program = compileRegex('/(a|b)', { captures: true });
    expect(rewritePath('/a/c/b', { kind: 'regex', program, rewrite: '/<\\1>' })).toBe('/<a>/c/<b>');
  });
});

describe('locations', () => {
  const x = (authority: string, scheme: 'http' | 'https' = 'http', port = 80): EngineExchange =>
    ({ authority, scheme, port, path: '/a', query: '?q' }) as unknown as EngineExchange;
  const to = (from: EngineExchange, action: Partial<RedirectAction>): string =>
    redirectLocation(from, { kind: 'redirect', status: 301, ...action });

  test.each([
    ['whole path', x('h'), { path: { kind: 'whole', value: '/new' } }, 'http://h/new?q'],
    ['path without slash', x('h'), { path: { kind: 'whole', value: 'new' } }, 'http://h/new?q'],
    ['authority', x('h:8080'), { authority: 'www.test' }, 'http://www.test/a?q'],
    ['scheme drops the old default port', x('h:80'), { scheme: 'https' }, 'https://h/a?q'],
    ['scheme keeps another port', x('h:8080'), { scheme: 'https' }, 'https://h:8080/a?q'],
    ['default port is left out', x('h', 'https', 443), { port: 443 }, 'https://h/a?q'],
    ['443 stays under http', x('h'), { port: 443 }, 'http://h:443/a?q'],
    ['request port', x('h', 'http', 8085), { port: 'request-port' }, 'http://h:8085/a?q'],
    [
      'authority with port and port',
      x('h'),
      { authority: 'w:9443', port: 1234 },
      'http://w:9443:1234/a?q',
    ],
  ] as const)('%s', (...[, from, action, wanted]) => {
    expect(to(from, action)).toBe(wanted);
  });
});
