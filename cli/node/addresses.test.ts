import { describe, expect, it } from 'vitest';
import { CommandError } from '../errors.ts';
import {
  parseAddress,
  parseInbound,
  parseLabels,
  parseMap,
  parseServicePort,
  parseTime,
} from './addresses.ts';
import { startFault } from './faults.ts';

describe('addresses', () => {
  it('have a host or take the usual one', () => {
    expect(parseAddress('8080', '--app')).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(parseAddress('shop.local:80', '--app')).toEqual({ host: 'shop.local', port: 80 });
    expect(parseAddress('[::1]:80', '--app')).toEqual({ host: '::1', port: 80 });
    expect(parseInbound('15006=9080')).toEqual({
      host: '0.0.0.0',
      port: 15006,
      listenerPort: 9080,
    });
    expect(parseServicePort('9080=reviews', 'shop')).toEqual({
      host: '127.0.0.1',
      port: 9080,
      service: 'reviews.shop.svc.cluster.local',
      servicePort: 9080,
    });
    expect(parseServicePort('[::1]:1=api.test:443', 'shop')).toEqual({
      host: '::1',
      port: 1,
      service: 'api.test',
      servicePort: 443,
    });
  });

  it.each([
    () => parseAddress('::1:80', '--app'),
    () => parseAddress('70000', '--app'),
    () => parseAddress('a:b', '--app'),
    () => parseInbound('1=2=3'),
    () => parseServicePort('9080', 'shop'),
    () => parseMap(['80:8080']),
    () => parseLabels(['=a']),
    () => parseTime('1d', '--wait'),
  ])('are refused where they are none (%#)', (parse) => {
    expect(parse).toThrow(CommandError);
  });

  it('maps, labels and times', () => {
    expect(parseMap(['80=8080', '443=8443'])).toEqual({ 80: 8080, 443: 8443 });
    expect(parseLabels(['a=b', 'c=d=e'])).toEqual({ a: 'b', c: 'd=e' });
    expect(['1.5s', '10', '250ms', '2m'].map((text) => parseTime(text, '--wait'))).toEqual([
      1500, 10_000, 250, 120_000,
    ]);
  });
});

describe('faults of a start', () => {
  const fault = (code: string, port: number, kind: 'sidecar' | 'gateway'): string =>
    startFault(Object.assign(new Error('x'), { code, host: '0.0.0.0', port }), {
      kind,
      admin: { host: '127.0.0.1', port: 15_000 },
    }).message;

  it('say what helps', () => {
    expect(fault('EACCES', 80, 'gateway')).toBe(
      "0.0.0.0:80 needs rights that this user hasn't: --map 80=8080, or --map-offset 8000 for all ports below 1024",
    );
    expect(fault('EADDRINUSE', 15_000, 'gateway')).toContain('--admin another, or --admin off');
    expect(fault('EADDRINUSE', 15_006, 'sidecar')).toContain('in use: stop what listens there');
    expect(fault('EOTHER', 1, 'sidecar')).toBe('x');
  });
});
