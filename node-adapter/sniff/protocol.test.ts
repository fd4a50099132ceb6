import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Protocol } from './protocol.ts';
import { sniff } from './protocol.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const KNOWN: readonly (readonly [string, Protocol])[] = [
  ['\x16\x03\x01', 'tls'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
  ['PROXY TCP4', 'proxy1'],
  ['\r\n\r\n\0\r\nQUIT\n', 'proxy2'],
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['PUT /', 'http1'],
  ['POST http://a/', 'http1'],
  ['PROPFIND /a HTTP/1.1\r\n', 'http1'],
  ['PRI /a HTTP/1.0\n', 'http1'],
  ['EHLO mail.example\r\n', 'unknown'],
  ['SET a HTTP/2\r\n', 'unknown'],
  ['*1\r\n$4\r\nPING\r\n', 'unknown'],
  ['\x3f\0\0\0\x01', 'unknown'],
  ['\x16\x02', 'unknown'],
  ['', 'unknown'],
];

describe('sniff', () => {
  it.each(KNOWN.filter(([text]) => text !== ''))('%j is %s', (text, protocol) => {
    expect(sniff(bytes(text))).toBe(protocol);
  });

  it('says the same of more, and never another thing of less', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KNOWN), fc.uint8Array({ maxLength: 40 }), ([text], tail) => {
        const whole = Buffer.concat([bytes(text), tail]);
        const said = new Set<string>();
        for (let cut = 0; cut <= whole.length; cut++) said.add(sniff(whole.subarray(0, cut)));
        said.delete('incomplete');
        expect(said.size).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('never waits beyond its bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (start) => {
        expect(sniff(Buffer.concat([start, Buffer.alloc(9000, 'a')]))).not.toBe('incomplete');
        expect(sniff(Buffer.concat([start, Buffer.alloc(9000, 'a b')]))).not.toBe('incomplete');
      }),
    );
  });
});
