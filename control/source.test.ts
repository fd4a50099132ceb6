import { describe, expect, it } from 'vitest';
import { createSourceFinder } from './source.ts';

describe('the source of a request', () => {
  const [none, tens]: readonly string[][] = [[], ['10.0.0.0/8']];
  it.each([
    ['is the peer', none, ['10.0.0.1'], '10.0.0.1'],
    ['is the peer, whatever it says', none, ['10.0.0.1', '1.2.3.4'], '10.0.0.1'],
    ['is IPv4 where that comes as IPv6', none, ['::ffff:10.0.0.1'], '10.0.0.1'],
    ['is what a trusted proxy says', tens, ['10.0.0.1', '1.2.3.4'], '1.2.3.4'],
    ['is the nearest not trusted', tens, ['10.0.0.1', '9.9.9.9, 1.2.3.4, 10.0.0.2'], '1.2.3.4'],
    ['is the proxy when it says nothing', tens, ['10.0.0.1'], '10.0.0.1'],
    ['is the proxy when that is no address', tens, ['10.0.0.1', '1.2.3.4, evil'], '10.0.0.1'],
    ['is the proxy when that has a port', tens, ['10.0.0.1', '1.2.3.4:80'], '10.0.0.1'],
    ['is the last trusted one when all are', tens, ['10.0.0.1', '10.0.0.3, 10.0.0.2'], '10.0.0.3'],
    ['is unknown where nobody knows', none, [undefined, '1.2.3.4'], 'unknown'],
  ] as const)('%s', (_, trusted, seen, wanted) => {
    const [peer, forwarded = null] = seen;
    expect(createSourceFinder(trusted ?? [])(peer, forwarded)).toBe(wanted);
  });
});
