import { expect, test } from 'vitest';
import { headSuite } from '../../test/contract/head-suite.ts';
import { parseRequest, parseResponse, RawRequestHead, RawResponseHead } from './index.ts';

function request(
  fields: readonly (readonly [string, string])[],
  line = 'GET / HTTP/1.1',
): RawRequestHead {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  const head = parseRequest(`${line}\r\nHost: shop.test\r\n${lines.join('')}\r\nbody`);
  if (!(head instanceof RawRequestHead)) throw new Error(JSON.stringify(head));
  return head;
}

function response(fields: readonly (readonly [string, string])[]): RawResponseHead {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  const head = parseResponse(`HTTP/1.1 200 OK\r\n${lines.join('')}\r\nbody`);
  if (!(head instanceof RawResponseHead)) throw new Error(JSON.stringify(head));
  return head;
}

headSuite({
  name: 'received head',
  make: (fields) => {
    const head = request(fields);
    // The suite speaks of its own fields only.
    head.remove('host');
    head.editCount = 0;
    return head;
  },
  keepsOrder: true,
});
headSuite({ name: 'received response head', make: response, keepsOrder: true });

test('what nothing changes goes out as it came', () => {
  const text = 'GET /a?b HTTP/1.1\r\nhOST: shop.test\r\nX-One:1\r\nX-Two:  2 \r\nx-one: 3\r\n\r\n';
  const head = parseRequest(text) as RawRequestHead;
  expect(head.write('GET', '/a?b', 'shop.test')).toBe(text);
  expect(head.length).toBe(text.length);
});

test('edits go out behind the fields that stay, removed ones not at all', () => {
  const head = request([
    ['X-A', '1'],
    ['X-B', '2'],
    ['X-C', '3'],
    ['X-A', '4'],
    ['X-D', '5'],
  ]);
  head.remove('x-b');
  head.set('x-a', '6');
  head.add('x-n', '7');
  head.add('x-gone', '8');
  head.remove('x-gone');
  expect(head.write('POST', '/new', 'shop.test')).toBe(
    'POST /new HTTP/1.1\r\nHost: shop.test\r\nX-C: 3\r\nX-D: 5\r\nx-a: 6\r\nx-n: 7\r\n\r\n',
  );
  expect(head.write('POST', '/new', 'other.test')).toBe(
    'POST /new HTTP/1.1\r\nHost: other.test\r\nX-C: 3\r\nX-D: 5\r\nx-a: 6\r\nx-n: 7\r\n\r\n',
  );
});

test('HTTP/1.0 without a host is sent on as HTTP/1.1 with one', () => {
  const head = parseRequest('GET / HTTP/1.0\r\n\r\n') as RawRequestHead;
  expect([head.authority, head.minorVersion, head.keepsAlive]).toEqual(['', 0, false]);
  expect(head.write('GET', '/', 'shop.test')).toBe('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n');
});

test('no edit breaks out of its field or of the request line', () => {
  const head = request([]);
  head.set('x-a', 'a\r\nX-Evil: 1');
  head.set('x-b', 'a\u010ab');
  head.set('x-c', 'é');
  const sent = head.write('GET', '/a b\r\n\u010aé', 'shop.test\r\nX: 1');
  expect(sent.split('\r\n')).toEqual([
    'GET /a%20b%0D%0A%C4%8A%C3%A9 HTTP/1.1',
    'Host: shop.testX: 1',
    'x-a: aX-Evil: 1',
    'x-b: a\u00c4\u008ab',
    'x-c: é',
    '',
    '',
  ]);
});

test('a response keeps its reason and says HTTP/1.1', () => {
  const head = parseResponse('HTTP/1.0 404 No\xe9 here\r\nX-A: 1\r\n\r\n') as RawResponseHead;
  head.set('x-b', '2');
  expect(head.write()).toBe('HTTP/1.1 404 No\xe9 here\r\nX-A: 1\r\nx-b: 2\r\n\r\n');
});

test('a head that is used again knows nothing of the one before', () => {
  const first = request([['X-A', '1']]);
  first.set('x-b', '2');
  const text = 'HEAD /z HTTP/1.1\r\nHost: b.test\r\nX-C: 3\r\n\r\n';
  const second = parseRequest(text, { reuse: first }) as RawRequestHead;
  expect(second).toBe(first);
  expect([second.method, second.target, second.authority]).toEqual(['HEAD', '/z', 'b.test']);
  expect([second.editCount, second.has('x-a'), second.has('x-b')]).toEqual([0, false, false]);
  expect(second.write('HEAD', '/z', 'b.test')).toBe(text);
});
