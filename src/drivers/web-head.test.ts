import { expect, test } from 'vitest';
import { headSuite } from '../../test/contract/head-suite.ts';
import { WebRequestHead, WebResponseHead } from './web-head.ts';

headSuite({
  name: 'Web Headers of a request',
  make: (fields) =>
    new WebRequestHead(
      new Request('http://shop.test/', { headers: fields.map(([name, value]) => [name, value]) }),
    ),
  keepsOrder: false,
});

headSuite({
  name: 'Web Headers of a response',
  make: (fields) =>
    new WebResponseHead(
      new Response(null, { headers: fields.map(([name, value]) => [name, value]) }),
    ),
  keepsOrder: false,
});

test('target and authority come from the URL as the runtime parsed it', () => {
  const head = new WebRequestHead(new Request('https://shop.test:8443/a/../b?c#d'));
  expect([head.method, head.scheme, head.authority]).toEqual(['GET', 'https', 'shop.test:8443']);
  expect(head.target.startsWith('/b?c')).toBe(true);
});

test('a copy carries the edits and nothing else', () => {
  const response = new Response(null, { headers: { 'x-a': '1', 'x-b': '2' }, status: 201 });
  const head = new WebResponseHead(response);
  head.remove('x-a');
  head.add('set-cookie', 'a=1');
  head.add('set-cookie', 'b=2');
  const { headers } = new Response(null, response);
  head.applyTo(headers);
  expect([head.status, headers.get('x-a'), headers.get('x-b')]).toEqual([201, null, '2']);
  expect(headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(response.headers.get('x-a')).toBe('1');
});
