import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkCidrs, parseCidr } from './cidr.ts';

describe('address blocks', () => {
  it.each([
    [['10.0.0.0/8', '10.1.0.0/16', '192.0.2.7'], '10.255.0.1', true],
    [['10.0.0.0/8', '10.1.0.0/16', '192.0.2.7'], '11.0.0.0', false],
    [['10.0.0.0/8', '10.1.0.0/16', '192.0.2.7'], '192.0.2.7', true],
    [['192.0.2.7'], '192.0.2.8', false],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['::/0'], '2001:db8::1', true],
    [['2001:db8::/33'], '2001:db8:7fff::1', true],
    [['2001:db8::/33'], '2001:db8:8000::1', false],
    [['10.0.0.0/8'], '::ffff:10.2.3.4', true],
    [[], '10.0.0.1', false],
    [['10.0.0.0/8'], 'somebody', undefined],
  ])('%j: %s is %s', (blocks, ip, expected) => {
    expect(linkCidrs(blocks)(ip)).toBe(expected);
  });

  it('are what a look at each block by itself says, however they overlap', () => {
    const word = fc.integer({ min: 0, max: 15 });
    // Few values, so that blocks nest and touch.
    const ip = fc.tuple(word, word, word, word).map((parts) => parts.map((n) => n * 17).join('.'));
    const block = fc.tuple(ip, fc.integer({ min: 0, max: 32 })).map(([a, n]) => `${a}/${n}`);
    const v4 = (text: string): number =>
      text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const covers = (text: string, address: string): boolean => {
      const [net = '', bits = ''] = text.split('/');
      const size = 2 ** (32 - Number(bits));
      return Math.floor(v4(net) / size) === Math.floor(v4(address) / size);
    };
    fc.assert(
      fc.property(fc.array(block, { maxLength: 30 }), ip, (blocks, address) => {
        expect(linkCidrs(blocks)(address)).toBe(blocks.some((text) => covers(text, address)));
      }),
    );
  });

  it('are read strictly', () => {
    for (const text of [
      '10.0.0.0/33',
      '10.0.0',
      '010.0.0.1',
      '10.0.0.0/08',
      '::1::',
      'fe80::1%eth0',
    ])
      expect(parseCidr(text), text).toBeUndefined();
    expect(() => linkCidrs(['10.0.0.0/33'])).toThrow(RangeError);
  });
});
