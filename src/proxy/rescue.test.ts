import { describe, expect, test } from 'vitest';
import type { UpstreamFailure } from '../model/error.ts';
import type { LocalReply } from '../model/exchange.ts';
import { replies, toGrpc, upstreamFailed } from './rescue.ts';

describe('an upstream that failed', () => {
  const table: [UpstreamFailure, number, string, string][] = [
    ['connect-failure', 503, 'UF', 'remote connection failure'],
    ['connect-timeout', 503, 'UF', 'connection timeout'],
    ['refused-stream', 503, 'UR', 'remote refused stream reset'],
    ['reset', 503, 'UC', 'connection termination'],
    ['protocol-error', 502, 'UPE', 'protocol error'],
    ['upgrade-unsupported', 502, 'UPE', 'upgrade not supported by upstream'],
    [
      'alpn-mismatch',
      503,
      'UF',
      'remote connection failure, transport failure reason: h2 not negotiated',
    ],
  ];
  test.each(table)('%s: %i %s', (...[failure, status, flag, reason]) => {
    const body = `upstream connect error or disconnect/reset before headers. reset reason: ${reason}`;
    expect(upstreamFailed(failure, 1)).toMatchObject({ status, flag, body });
    expect(upstreamFailed(failure, 2).body).toContain(
      'headers. retried and the latest reset reason',
    );
  });

  test('a timeout is 504', () => {
    expect(upstreamFailed('timeout', 1)).toMatchObject({
      status: 504,
      flag: 'UT',
      body: 'upstream request timeout',
    });
  });
});

describe('gRPC', () => {
  const status = (local: LocalReply): Record<string, string> =>
    Object.fromEntries(toGrpc(local).headers);

  test.each([
    [400, '13'],
    [401, '16'],
    [403, '7'],
    [404, '12'],
    [429, '14'],
    [503, '14'],
    [504, '4'],
    [418, '2'],
  ])('HTTP %i is status %s', (http, grpc) => {
    expect(status({ ...replies.noRoute, status: http })['grpc-status']).toBe(grpc);
  });

  test('a message keeps what is printable and encodes the rest', () => {
    const message = (body: string): string | undefined =>
      status({ ...replies.noRoute, body })['grpc-message'];
    expect(message('RBAC: access denied')).toBe('RBAC: access denied');
    expect(message('50 %\r\né')).toBe('50 %25%0D%0A%C3%A9');
    expect(message('😀')).toBe('%F0%9F%98%80');
    expect(message('\ud800')).toBe('%EF%BF%BD');
  });

  test('a reply that is gRPC already stays', () => {
    const local: LocalReply = { ...replies.noRoute, headers: [['grpc-status', '7']] };
    expect(toGrpc(local)).toBe(local);
  });
});
