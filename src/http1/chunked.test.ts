import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkedReader } from './index.ts';

interface Read {
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly fault: string | undefined;
  readonly isDone: boolean;
  /** Bytes behind the body. */
  readonly rest: number;
}

const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);

/** Reads a text cut into pieces of the given sizes. */
function read(text: string, cuts: readonly number[] = []): Read {
  const reader = new ChunkedReader();
  let body = '';
  const sink = {
    onBody(bytes: Uint8Array, start: number, end: number): void {
      body += String.fromCharCode(...bytes.subarray(start, end));
    },
  };
  let at = 0;
  const ends = [...cuts, text.length].filter((cut) => cut <= text.length).sort((a, b) => a - b);
  for (const end of ends) {
    if (reader.isDone || reader.fault !== undefined) break;
    const piece = bytesOf(text.slice(at, end));
    at += reader.read(piece, 0, piece.length, sink);
  }
  return {
    body,
    trailers: reader.trailers,
    fault: reader.fault?.reason,
    isDone: reader.isDone,
    rest: text.length - at,
  };
}

/** The same rules by regular expressions over the whole text. */
function reference(text: string): { body: string; isDone: boolean; isFault: boolean } {
  let rest = text;
  let body = '';
  for (;;) {
    const size = /^([0-9a-fA-F]{1,13})\r\n/.exec(rest);
    if (size === null) {
      const isOpen = /^[0-9a-fA-F]{0,13}\r?$/.test(rest) && rest !== '\r';
      return { body, isDone: false, isFault: !isOpen };
    }
    const length = Number.parseInt(size[1] ?? '', 16);
    rest = rest.slice(size[0].length);
    if (length === 0) break;
    body += rest.slice(0, length);
    const behind = rest.slice(length, length + 2);
    if (!'\r\n'.startsWith(behind)) return { body, isDone: false, isFault: true };
    if (behind.length < 2) return { body, isDone: false, isFault: false };
    rest = rest.slice(length + 2);
  }
  const end = rest.startsWith('\r\n') ? 0 : rest.indexOf('\r\n\r\n');
  if (end < 0) return { body, isDone: false, isFault: /(?:^|[^\r])\n/.test(rest) };
  const lines = end === 0 ? [] : rest.slice(0, end).split('\r\n');
  const isFine = lines.every((line) => /^[-\w!#$%&'*+.^`|~]+:[\t\x20-\x7e\x80-\xff]*$/.test(line));
  return { body, isDone: isFine, isFault: !isFine };
}

describe('chunked bodies', () => {
  it.each<[string, string, string]>([
    ['an extension', '5;a=b\r\nhello\r\n0\r\n\r\n', 'chunk_extension'],
    ['a blank behind the size', '5 \r\nhello\r\n0\r\n\r\n', 'chunk_extension'],
    ['no size', '\r\nhello\r\n0\r\n\r\n', 'chunk_size_malformed'],
    ['a sign', '+5\r\nhello\r\n0\r\n\r\n', 'chunk_size_malformed'],
    ['a prefix', '0x5\r\nhello\r\n0\r\n\r\n', 'chunk_size_malformed'],
    ['an underscore', '1_0\r\nhello', 'chunk_size_malformed'],
    ['a size beyond all', 'fffffffffffffffff\r\n', 'chunk_size_too_large'],
    ['a bare line feed behind the size', '5\nhello\r\n0\r\n\r\n', 'bare_line_feed'],
    ['a lone CR behind the size', '5\rhello\r\n0\r\n\r\n', 'chunk_size_malformed'],
    ['more payload than was said', '5\r\nhelloo\r\n0\r\n\r\n', 'chunk_end_malformed'],
    ['a bare line feed behind the payload', '5\r\nhello\n0\r\n\r\n', 'chunk_end_malformed'],
    ['a bare line feed in trailers', '0\r\nA: b\n\r\n', 'bare_line_feed'],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n', 'line_folded'],
    ['a trailer that frames', '0\r\nContent-Length: 5\r\n\r\n', 'trailer_forbidden'],
    ['a trailer that routes', '0\r\nHost: evil\r\n\r\n', 'trailer_forbidden'],
    ['a trailer that says who forwarded', '0\r\nX-Forwarded-For: 1\r\n\r\n', 'trailer_forbidden'],
    ['a trailer that says who asks', '0\r\nX-Lateen-Identity: a\r\n\r\n', 'trailer_forbidden'],
    ['a trailer that authenticates', '0\r\nAuthorization: x\r\n\r\n', 'trailer_forbidden'],
  ])('with %s are refused', (_name, text, fault) => {
    expect(read(text)).toMatchObject({ fault, isDone: false });
  });

  it('bounds trailers', () => {
    expect(read(`0\r\n${'A: b\r\n'.repeat(20_000)}\r\n`).fault).toBe('trailers_too_large');
    expect(read(`0\r\n${'A: b\r\n'.repeat(101)}\r\n`).fault).toBe('too_many_fields');
  });

  it('leaves what is behind them', () => {
    expect(read('3\r\nabc\r\n0\r\nX-A: 1\r\n\r\nGET /')).toEqual({
      body: 'abc',
      trailers: [['X-A', '1']],
      fault: undefined,
      isDone: true,
      rest: 5,
    });
  });

  const chunk = fc.tuple(fc.string({ maxLength: 20 }), fc.boolean()).map(([text, upper]) => {
    const plain = text.replaceAll(/[^\x00-\xff]/g, '?');
    const size = plain.length.toString(16);
    return plain === '' ? '' : `${upper ? size.toUpperCase() : `00${size}`}\r\n${plain}\r\n`;
  });
  const sound = fc
    .tuple(fc.array(chunk, { maxLength: 5 }), fc.constantFrom('', 'X-A: 1\r\n', 'a:\r\nb: c\r\n'))
    .map(([chunks, trailers]) => `${chunks.join('')}0\r\n${trailers}\r\n`);
  const mutated = fc
    .tuple(sound, fc.nat(), fc.constantFrom('', '\n', '\r', ' ', ';', '0', 'g', '\r\n', '\0'))
    .map(([text, at, piece]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + piece + text.slice(place + (at % 2));
    });

  it('are read as the reference reads them, wherever they are cut', () => {
    fc.assert(
      fc.property(
        fc.oneof(sound, mutated),
        fc.array(fc.nat(120), { maxLength: 8 }),
        (text, cuts) => {
          const wanted = reference(text);
          const got = read(text, cuts);
          expect({ isDone: got.isDone, isFault: got.fault !== undefined }).toEqual({
            isDone: wanted.isDone,
            isFault: wanted.isFault,
          });
          if (wanted.isDone) expect(got.body).toBe(wanted.body);
          expect(read(text)).toEqual(got);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
