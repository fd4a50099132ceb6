import { describe, expect, test } from 'vitest';
import { HeadFault, parseRequest, parseResponse } from './index.ts';
import type { HeadLimits, RawRequestHead, RawResponseHead } from './index.ts';

const outcome = (text: string, limits?: HeadLimits): string => {
  const result = parseRequest(text, limits === undefined ? {} : { limits });
  if (result === 'incomplete') return result;
  return result instanceof HeadFault ? `${result.status} ${result.reason}` : 'head';
};
const responseOutcome = (text: string): string => {
  const result = parseResponse(text);
  if (result === 'incomplete') return result;
  return result instanceof HeadFault ? result.reason : 'head';
};
const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

describe('requests', () => {
  test('a head as browsers send it', () => {
    const text = 'POST /a?b=%20 HTTP/1.1\r\nHost: shop.test:80\r\nContent-Length: 5\r\n\r\nhello';
    const head = parseRequest(text, { scheme: 'https' }) as RawRequestHead;
    expect(head).toMatchObject({
      method: 'POST',
      target: '/a?b=%20',
      authority: 'shop.test:80',
      scheme: 'https',
      contentLength: 5,
      isChunked: false,
      keepsAlive: true,
      length: text.length - 5,
    });
  });

  test('bytes beyond ASCII in a target come out encoded', () => {
    const head = parseRequest('GET /\xc3\xa9?\xff HTTP/1.1\r\nHost: a\r\n\r\n') as RawRequestHead;
    expect(head.target).toBe('/%C3%A9?%FF');
  });

  test('one empty line in front is let pass, two are not', () => {
    expect(outcome(`\r\n${get('')}`)).toBe('head');
    expect(outcome(`\r\n\r\n${get('')}`)).toBe('400 method_malformed');
    expect([outcome('\r'), outcome('\r\n'), outcome('')]).toEqual(Array(3).fill('incomplete'));
    expect(outcome('\rG')).toBe('400 start_line_malformed');
  });

  test('blanks around values are no part of them', () => {
    const head = parseRequest(get('A: \t x y \t \r\nB:\r\nC: \r\n')) as RawRequestHead;
    expect([head.get('a'), head.get('b'), head.get('c')]).toEqual(['x y', '', '']);
  });

  test.each([
    ['GET / HTTP/1.1\nHost: a\n\n', '400 bare_line_feed'],
    ['GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n', '400 bare_line_feed'],
    ['GET / HTTP/1.1\r\nHost: a\r\nB\n: c\r\n\r\n', '400 bare_line_feed'],
    ['GET /\n HTTP/1.1\r\nHost: a\r\n\r\n', '400 bare_line_feed'],
    [get(' folded: x\r\n'), '400 line_folded'],
    [get('A: b\r\n\tc\r\n'), '400 line_folded'],
    [get('A : b\r\n'), '400 space_before_colon'],
    [get(': b\r\n'), '400 field_name_malformed'],
    [get('A(: b\r\n'), '400 field_name_malformed'],
    [get('\xe9: b\r\n'), '400 field_name_malformed'],
    [get('A b\r\n'), '400 space_before_colon'],
    [get('novalue\r\n'), '400 field_name_malformed'],
    [get('A: b\0\r\n'), '400 field_value_malformed'],
    [get('A: b\x7f\r\n'), '400 field_value_malformed'],
    [get('A: b\rc\r\n'), '400 field_value_malformed'],
    [get('A: b\r\r\n'), '400 field_value_malformed'],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', '400 request_line_malformed'],
    ['GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', '400 version_unsupported'],
    ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', '400 version_unsupported'],
    ['GET /\tHTTP/1.1\r\nHost: a\r\n\r\n', '400 request_line_malformed'],
    ['GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n', '400 request_line_malformed'],
    ['GET\r\nHost: a\r\n\r\n', '400 method_malformed'],
    ['GET /\r\nHost: a\r\n\r\n', '400 request_line_malformed'],
    ['G(T / HTTP/1.1\r\nHost: a\r\n\r\n', '400 method_malformed'],
    [' GET / HTTP/1.1\r\nHost: a\r\n\r\n', '400 method_malformed'],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', '400 version_unsupported'],
    ['GET / http/1.1\r\nHost: a\r\n\r\n', '400 version_unsupported'],
    ['GET / HTTP/1.2\r\nHost: a\r\n\r\n', '400 version_unsupported'],
    ['GET / HTTP/1.1\r\n\r\n', '400 host_missing'],
    ['GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', '400 host_repeated'],
    ['GET / HTTP/1.0\r\n\r\n', 'head'],
    ['GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', '400 transfer_encoding_in_http10'],
    [get('Content-Length: 1\r\nContent-Length: 1\r\n'), '400 content_length_repeated'],
    [get('Content-Length: 1, 1\r\n'), '400 content_length_malformed'],
    [get('Content-Length: +1\r\n'), '400 content_length_malformed'],
    [get('Content-Length:\r\n'), '400 content_length_malformed'],
    [get('Content-Length: 1234567890123456\r\n'), '400 content_length_malformed'],
    [
      get('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      '400 content_length_with_transfer_encoding',
    ],
    [
      get('Transfer-Encoding: chunked\r\nContent-Length: 1\r\n'),
      '400 content_length_with_transfer_encoding',
    ],
    [
      get('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
      '400 transfer_encoding_repeated',
    ],
    [get('Transfer-Encoding: \x0bchunked\r\n'), '400 field_value_malformed'],
    [get('Transfer-Encoding: "chunked"\r\n'), '400 transfer_encoding_malformed'],
    [get('Transfer-Encoding: gzip, chunked\r\n'), '501 transfer_encoding_unknown'],
    ['\x16\x03\x01', '400 start_line_malformed'],
    ['GET / HTTP/1.1\r\nHost: a\n', '400 bare_line_feed'],
  ])('%j is %s', (text, wanted) => {
    expect(outcome(text)).toBe(wanted);
  });

  test('names that only share length and ends with framing headers steer nothing', () => {
    const head = parseRequest(
      get('Hist: x\r\nContent-Lengkh: y\r\nTransfer_Encoding: z\r\nConnecteon: close\r\n'),
    ) as RawRequestHead;
    expect(head).toMatchObject({ contentLength: -1, isChunked: false, keepsAlive: true });
  });

  test.each([
    ['HTTP/1.1', '', true],
    ['HTTP/1.1', 'Connection: Close\r\n', false],
    ['HTTP/1.1', 'Connection: keep-alive, x,close\r\n', false],
    ['HTTP/1.0', '', false],
    ['HTTP/1.0', 'Connection: keep-alive\r\n', true],
    ['HTTP/1.0', 'Connection: close\r\nConnection: keep-alive\r\n', false],
  ])('%s with %j keeps the connection: %s', (version, fields, wanted) => {
    const head = parseRequest(`GET / ${version}\r\nHost: a\r\n${fields}\r\n`) as RawRequestHead;
    expect(head.keepsAlive).toBe(wanted);
  });

  test('limits: whole head, one line, number of fields', () => {
    const limits = { headBytes: 100, headers: 3, line: 40 };
    const path = (length: number): string => `GET /${'a'.repeat(length)} HTTP/1.1`;
    expect(outcome(`${path(26)}\r\nHost: a\r\n\r\n`, limits)).toBe('head');
    expect(outcome(`${path(26)}\r`, limits)).toBe('incomplete');
    expect(outcome(`${path(27)}\r\nHost: a\r\n\r\n`, limits)).toBe('414 target_too_long');
    expect(outcome(`${path(27)}\r`, limits)).toBe('414 target_too_long');
    expect(outcome(`${path(27)}\r\nHost`, limits)).toBe('414 target_too_long');
    expect(outcome(get(`A: ${'x'.repeat(37)}\r\n`), limits)).toBe('head');
    expect(outcome(get(`A: ${'x'.repeat(38)}\r\n`), limits)).toBe('431 field_line_too_long');
    expect(outcome(get('A: 1\r\nB: 2\r\n'), limits)).toBe('head');
    expect(outcome(get('A: 1\r\nB: 2\r\nC: 3\r\n'), limits)).toBe('431 too_many_fields');
    const full = get(`A: ${'x'.repeat(32)}\r\nB: ${'y'.repeat(32)}\r\n`);
    expect([full.length, outcome(full, limits)]).toEqual([101, '431 head_too_large']);
    expect(outcome(full.slice(0, 99), limits)).toBe('incomplete');
    expect(outcome(full.slice(0, 100), limits)).toBe('431 head_too_large');
  });
});

describe('responses', () => {
  test('status, reason, framing', () => {
    const head = parseResponse('HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc');
    expect(head).toMatchObject({ status: 404, reason: 'Not Found', contentLength: 3 });
    const bare = parseResponse('HTTP/1.0 204\r\n\r\n') as RawResponseHead;
    expect([bare.status, bare.reason, bare.keepsAlive]).toEqual([204, '', false]);
    expect(responseOutcome('HTTP/1.1 200 \r\n\r\n')).toBe('head');
  });

  test.each([
    ['HTTP/2.0 200 OK\r\n\r\n', 'version_unsupported'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 600 OK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 200\tOK\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 200 O\0K\r\n\r\n', 'status_malformed'],
    ['HTTP/1.1 200 OK\nA: b\r\n\r\n', 'bare_line_feed'],
    ['HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'space_before_colon'],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'content_length_with_transfer_encoding',
    ],
    ['HTTP/1.1 200 OK\r\nA: b\r\n', 'incomplete'],
    ['', 'incomplete'],
    ['<html>', 'start_line_malformed'],
  ])('%j is %s', (text, wanted) => {
    expect(responseOutcome(text)).toBe(wanted);
  });
});
