import { expect, test } from 'vitest';
import { RequestHeaderList } from '../lib/header-list.ts';
import { framingFault } from './framing.ts';

function statusOf(
  headers: readonly (readonly [string, string])[],
  method = 'POST',
): number | undefined {
  const line = { method, scheme: 'http', authority: 'h', target: '/' } as const;
  return framingFault(new RequestHeaderList(line, headers))?.status;
}

test.each([
  [
    [
      ['content-length', '0'],
      ['transfer-encoding', 'chunked'],
    ],
    400,
  ],
  [
    [
      ['content-length', '0'],
      ['content-length', '0'],
    ],
    400,
  ],
  [[['content-length', '0, 0']], 400],
  [[['content-length', '+1']], 400],
  [[['content-length', '0x1']], 400],
  [[['content-length', '']], 400],
  [[['transfer-encoding', 'gzip, chunked']], 501],
  [[['transfer-encoding', 'xchunked']], 501],
  [
    [
      ['transfer-encoding', 'chunked'],
      ['transfer-encoding', 'chunked'],
    ],
    400,
  ],
  [[['transfer-encoding', '\u000bchunked']], 400],
  [[['transfer-encoding', 'Chunked']], undefined],
  [[['content-length', '12']], undefined],
  [[], undefined],
] as const)('%j answers %s', (headers, wanted) => {
  expect(statusOf(headers)).toBe(wanted);
});

test.each(['get', 'Get', 'GE T', '', 'GET\n'])('method %j is refused', (method) => {
  expect(statusOf([], method)).toBe(400);
});
