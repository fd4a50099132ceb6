import { describe, expect, it } from 'vitest';
import { SourceLimits, sourceGroup } from './sources.ts';

describe('limits by source', () => {
  it('forget who has not asked for longest, and grow no further', () => {
    const limits = new SourceLimits({ size: 1, perSecond: 0 }, () => 0);
    expect(limits.take('10.0.0.1')).toBe(true);
    expect(limits.take('10.0.0.1')).toBe(false);
    for (let i = 0; i < 20_000; i++) limits.take(`192.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    expect(limits.size).toBe(10_000);
  });

  it('remember who asks again and again', () => {
    const limits = new SourceLimits({ size: 1, perSecond: 0 }, () => 0);
    limits.take('10.0.0.1');
    for (let i = 0; i < 20_000; i++) {
      limits.take(`192.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
      if (i % 1000 === 0) expect(limits.take('10.0.0.1')).toBe(false);
    }
  });

  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:DB8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['unknown', 'unknown'],
  ])('count %s as %s', (source, group) => {
    expect(sourceGroup(source)).toBe(group);
  });
});
