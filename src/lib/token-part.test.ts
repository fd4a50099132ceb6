import { describe, expect, it } from 'vitest';
import { encodeBase64url } from './base64url.ts';
import { readTokenPart } from './token-part.ts';

const part = (text: string): string => encodeBase64url(new TextEncoder().encode(text));
const nested = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;

describe('readTokenPart', () => {
  it('reads an object', () => {
    expect(readTokenPart(part('{"a":1,"b":{"a":[":\\"{"]}}'))).toEqual({
      a: 1,
      b: { a: [':"{'] },
    });
    expect(readTokenPart(part(nested(62)))).toBeDefined();
  });

  it.each([
    ['a name twice', part('{"sub":"a","sub":"b"}')],
    ['a name twice, once escaped', part(String.raw`{"sub":"a","\u0073ub":"b"}`)],
    ['a name twice further in', part('{"a":[{"b":1,"b":1}]}')],
    ['too many levels', part(nested(64))],
    ['a list', part('[]')],
    ['null', part('null')],
    ['no JSON', part('{')],
    ['a mark before it', part('\uFEFF{}')],
    ['bytes that are no UTF-8', encodeBase64url(new Uint8Array([0x7b, 0xff, 0x7d]))],
    ['padding', `${part('{}')}=`],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(readTokenPart(text)).toBeUndefined();
  });
});
