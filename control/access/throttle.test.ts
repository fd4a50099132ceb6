import { describe, expect, it } from 'vitest';
import { createThrottle, networkOf } from './throttle.ts';

describe('throttle', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('counts %s as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('refuses after twenty, for a while that never grows beyond a minute', () => {
    let nowMs = 1_000_000;
    const throttle = createThrottle(() => nowMs);
    for (let count = 1; count <= 20; count++)
      expect(throttle.failed('192.0.2.1').retryAfterMs).toBeUndefined();
    expect(throttle.waitMs('192.0.2.1')).toBe(3000);
    expect(throttle.waitMs('192.0.2.2')).toBeUndefined();
    for (let count = 0; count < 1000; count++)
      expect(throttle.failed('192.0.2.1').retryAfterMs).toBe(3000);
    nowMs += 6000;
    expect(throttle.failed('192.0.2.1').retryAfterMs).toBeUndefined();
    nowMs += 66_000;
    expect(throttle.waitMs('192.0.2.1')).toBeUndefined();
  });

  it('keeps to its bounds, and to what failed last, however many sources there are', () => {
    const throttle = createThrottle(() => 1_000_000);
    for (let count = 0; count < 25; count++) throttle.failed('192.0.2.1');
    for (let count = 0; count < 4000; count++) throttle.failed(`10.0.${count >> 8}.${count & 255}`);
    expect(throttle.waitMs('192.0.2.1')).toBeDefined();
    for (let count = 0; count < 5000; count++) throttle.failed(`10.1.${count >> 8}.${count & 255}`);
    expect(throttle.waitMs('192.0.2.1')).toBeUndefined();
  });

  it('asks for ever fewer lines of one source, and few of many', () => {
    const nowMs = 1_000_000;
    const throttle = createThrottle(() => nowMs);
    const lines: number[] = [];
    for (let count = 0; count < 1000; count++) {
      const { auditCount } = throttle.failed('192.0.2.1');
      if (auditCount !== undefined) lines.push(auditCount);
    }
    expect(lines).toEqual([1, 10, 100, 1000]);
    let all = lines.length;
    for (let count = 0; count < 1000; count++)
      if (throttle.failed(`10.0.${count >> 8}.${count & 255}`).auditCount !== undefined) all++;
    expect(all).toBe(60);
  });
});
