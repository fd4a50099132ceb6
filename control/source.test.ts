import { describe, expect, it } from 'vitest';
import { createSourceFinder } from './source.ts';

describe('the source of a request', () => {
  it.each([
    ['is the peer', [], '10.0.0.1', null, '10.0.0.1'],
    ['is the peer, whatever it says', [], '10.0.0.1', '1.2.3.4', '10.0.0.1'],
    ['is IPv4 where that comes as IPv6', [], '::ffff:10.0.0.1', null, '10.0.0.1'],
    ['is what a trusted proxy says', ['10.0.0.0/8'], '10.0.0.1', '1.2.3.4', '1.2.3.4'],
    [
      'is the nearest that is not trusted',
      ['10.0.0.0/8'],
      '10.0.0.1',
      '9.9.9.9, 1.2.3.4, 10.0.0.2',
      '1.2.3.4',
    ],
    ['is the proxy when it says nothing', ['10.0.0.0/8'], '10.0.0.1', null, '10.0.0.1'],
    [
      'is the proxy when what it says is no address',
      ['10.0.0.0/8'],
      '10.0.0.1',
      '1.2.3.4, evil',
      '10.0.0.1',
    ],
    [
      'is the proxy when it says an address with a port',
      ['10.0.0.0/8'],
      '10.0.0.1',
      '1.2.3.4:80',
      '10.0.0.1',
    ],
    [
      'is the last trusted one when all are',
      ['10.0.0.0/8'],
      '10.0.0.1',
      '10.0.0.3, 10.0.0.2',
      '10.0.0.3',
    ],
    ['is unknown where nobody knows', [], undefined, '1.2.3.4', 'unknown'],
  ] as const)('%s', (_, trusted, peer, forwarded, wanted) => {
    expect(createSourceFinder(trusted)(peer, forwarded)).toBe(wanted);
  });
});
