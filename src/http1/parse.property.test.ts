import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ReferenceHead } from '../../test/fixtures/reference-parser.ts';
import { referenceRequest, referenceResponse } from '../../test/fixtures/reference-parser.ts';
import {
  HeadFault,
  parseRequest,
  parseRequestBytes,
  parseResponse,
  parseResponseBytes,
} from './index.ts';
import type { Parsed, RawRequestHead, RawResponseHead } from './index.ts';

type Head = RawRequestHead | RawResponseHead;

const names = fc.constantFrom(
  'Host',
  'host',
  'Content-Length',
  'content-length',
  'Transfer-Encoding',
  'transfer-encoding',
  'Connection',
  'X-A',
  'x-a',
  'x_a',
  'Cookie',
  'Contemt-Length',
  'Hist',
  'A',
  '',
  'B(',
  'C ',
  ' D',
  '\xe9',
  "!#$%&'*+-.^_`|~",
);
const values = fc.constantFrom(
  '',
  'a',
  'shop.test',
  '0',
  '12',
  '007',
  '-1',
  '1,1',
  'chunked',
  'Chunked',
  'chunked ',
  'gzip',
  'close',
  'keep-alive, x',
  ' \t padded\t ',
  'a\tb',
  '\xc3\xa9',
  'a\0',
  'a\nb',
  'a\rb',
  'a\x7f',
  'a: b',
  '\u0160',
);
const gaps = fc.constantFrom(': ', ':', ':\t', ' : ', ':  ', '');
const ends = fc.oneof(
  { weight: 20, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', '') },
);
const goodField = fc.constantFrom(
  'X-A: 1\r\n',
  'x-b:\r\n',
  'Cookie: a=b\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Accept: */*\r\n',
);
const oddField = fc.tuple(names, gaps, values, ends).map((parts) => parts.join(''));
const fields = fc
  .array(fc.oneof({ weight: 3, arbitrary: goodField }, { weight: 1, arbitrary: oddField }), {
    maxLength: 6,
  })
  .map((lines) => lines.join(''));
const requestLines = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'GET / HTTP/1.1\r\nHost: a\r\n',
      'POST /a?b HTTP/1.1\r\nhost:a\r\n',
      'GET / HTTP/1.0\r\n',
      '\r\nPUT /\xff HTTP/1.1\r\nHost: b\r\n',
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('', '\r\n', '\r\n\r\n', '\n'),
        fc.constantFrom('GET', 'get', 'X-Y', 'G T', 'G(', '', '\xe9'),
        fc.constantFrom(' ', '  ', '\t', ''),
        fc.constantFrom('/', '*', 'http://x/', '/a b', '/\x01', '/\xff', '', '/#', '/\u0160'),
        fc.constantFrom(
          ' HTTP/1.1',
          ' HTTP/1.0',
          ' HTTP/1.2',
          ' HTTP/2.0',
          ' http/1.1',
          ' HTTP/1.1 ',
          '',
          ' HTTP/1.10',
        ),
        ends,
      )
      .map((parts) => parts.join('')),
  },
);
const statusLines = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.0 204\r\n',
      'HTTP/1.1 503 \r\n',
      'HTTP/1.1 100 Go on\xe9\r\n',
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', '\r\nHTTP/1.1', 'ICY'),
        fc.constantFrom(' ', '  ', '\t', ''),
        fc.constantFrom('200', '600', '099', '20', '2000', '2x0', ''),
        fc.constantFrom('', ' ', ' OK', '\tOK', ' O\0', 'OK'),
        ends,
      )
      .map((parts) => parts.join('')),
  },
);

/** A text and one of its characters replaced, doubled or left out. */
function mutated(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(),
    what: fc.constantFrom('', '\r', '\n', '\0', ' ', '\t', ':', '\r\n', 'a', '\x80', '\u0160'),
    skip: fc.constantFrom(0, 1, 2),
  });
  return fc.tuple(texts, fc.array(change, { maxLength: 2 })).map(([text, changes]) => {
    let out = text;
    for (const { at, what, skip } of changes) {
      const index = at % (out.length + 1);
      out = out.slice(0, index) + what + out.slice(index + skip);
    }
    return out;
  });
}

function headText(startLines: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return mutated(
    fc
      .tuple(startLines, fields, fc.constantFrom('\r\n', '\r\nbody\n\r\n\r\n', ''))
      .map((parts) => parts.join('')),
  );
}

/** What the parser found, in the reference's words. */
function told(result: Parsed<Head>): ReferenceHead {
  if (result === 'incomplete') return { kind: 'incomplete' };
  if (result instanceof HeadFault) return { kind: 'fault' };
  const found: [string, string][] = [];
  result.forEach((name, value) => found.push([name, value]));
  return {
    kind: 'head',
    start:
      'status' in result ? [String(result.status), result.reason] : [result.method, result.target],
    fields: found,
    length: result.length,
    contentLength: result.contentLength,
    isChunked: result.isChunked,
  };
}

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;

/** As the port shows it: names in lower case, the target as ASCII. */
function shown(head: ReferenceHead, isRequest: boolean): ReferenceHead {
  if (head.kind !== 'head') return head;
  const [first = '', second = ''] = head.start;
  return {
    ...head,
    start: [first, isRequest ? second.replaceAll(/[\x80-\xff]/g, percent) : second],
    fields: head.fields.map(([name, value]) => [name.toLowerCase(), value]),
  };
}

const sides = [
  {
    name: 'requests',
    lines: requestLines,
    fast: (text: string): Parsed<Head> => parseRequest(text),
    fastBytes: parseRequestBytes,
    slow: referenceRequest,
  },
  {
    name: 'responses',
    lines: statusLines,
    fast: (text: string): Parsed<Head> => parseResponse(text),
    fastBytes: parseResponseBytes,
    slow: referenceResponse,
  },
] as const;

describe.each(sides)('$name', ({ name, lines, fast, fastBytes, slow }) => {
  test('the fast parser and the reference read the same', () => {
    const seen = { head: 0, fault: 0, incomplete: 0 };
    fc.assert(
      fc.property(headText(lines), (text) => {
        const wanted = shown(slow(text), name === 'requests');
        seen[wanted.kind]++;
        expect(told(fast(text))).toEqual(wanted);
      }),
      { numRuns: 20_000 },
    );
    // A generator that hardly makes one of them would prove little.
    expect(Math.min(seen.head, seen.fault, seen.incomplete)).toBeGreaterThan(500);
  });

  test('bytes between others are read as if they were alone', () => {
    const around = fc.constantFrom(
      '',
      'x',
      '\n',
      '\r\n',
      '\r\n\r\n',
      ': a\r\n\r\n',
      ' HTTP/1.1\r\n',
    );
    fc.assert(
      fc.property(headText(lines), fc.nat(), around, around, (text, cut, before, behind) => {
        const part = text.replaceAll(/[^\0-\xff]/g, '').slice(0, cut % (text.length * 2));
        const bytes = Buffer.from(before + part + behind, 'latin1');
        const to = before.length + part.length;
        expect(told(fastBytes(bytes, before.length, to))).toEqual(told(fast(part)));
      }),
      { numRuns: 10_000 },
    );
  });

  test('cut at every byte: no part of a head is one, and a refusal never turns back', () => {
    fc.assert(
      fc.property(headText(lines), (text) => {
        const whole = fast(text);
        if (whole === 'incomplete') return;
        const length = whole instanceof HeadFault ? text.length : whole.length;
        for (let cut = 0; cut < length; cut++) {
          const part = fast(text.slice(0, cut));
          expect(told(part)).toEqual(shown(slow(text.slice(0, cut)), name === 'requests'));
          if (!(whole instanceof HeadFault)) expect(part).toBe('incomplete');
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('what is written is read again as the same', () => {
    fc.assert(
      fc.property(headText(lines), (text) => {
        const head = fast(text);
        if (head === 'incomplete' || head instanceof HeadFault) return;
        const written =
          'status' in head ? head.write() : head.write(head.method, head.target, head.authority);
        const again = fast(written);
        if ('status' in head || head.has('host'))
          expect(told(again)).toMatchObject({ fields: (told(head) as { fields: unknown }).fields });
        else expect(again).not.toBe('incomplete');
      }),
      { numRuns: 3000 },
    );
  });
});
