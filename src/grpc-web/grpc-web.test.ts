import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Base64Decoder, FramesText, frameText, trailersFrame } from './index.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Cut at the places given. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [...at, bytes.length].map((end, i) => bytes.subarray(at[i - 1] ?? 0, end));
}

function decode(pieces: readonly Uint8Array[]): Uint8Array | undefined {
  const decoder = new Base64Decoder();
  const all: number[] = [];
  for (const piece of pieces) {
    const decoded = decoder.decode(piece, 0, piece.length);
    if (decoded === undefined) return undefined;
    all.push(...decoded);
  }
  return decoder.isWhole ? Uint8Array.from(all) : undefined;
}

function message(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  new DataView(bytes.buffer).setUint32(1, body.length);
  bytes.set(body, 5);
  return bytes;
}

const joined = (parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

describe('base64', () => {
  it('reads what others wrote, cut anywhere, in pieces with padding of their own', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 5 });
    fc.assert(
      fc.property(parts, fc.array(fc.nat()), (given, places) => {
        const text = given.map((part) => btoa(String.fromCharCode(...part))).join('');
        expect(decode(cut(bytesOf(text), places))).toEqual(joined(given));
      }),
    );
  });

  it.each(['A', 'AA', 'AAA', '=AAA', 'A===', 'AA=A', 'AA==A', 'AAB=', 'AB==', 'AA A', 'AA-_', 'ä'])(
    'refuses %s',
    (text) => expect(decode([bytesOf(text)])).toBeUndefined(),
  );
});

describe('messages as text', () => {
  it('are read as they were, cut anywhere, and none waits for the next', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat()), (given, places) => {
        const stream = joined(given.map((body) => message(body)));
        const text = new FramesText();
        const pieces = cut(stream, places).map((piece) => text.encode(piece, 0, piece.length));
        expect(text.end()).toHaveLength(0);
        expect(decode(pieces)).toEqual(stream);
      }),
    );
  });

  it('are padded each', () => {
    const text = new FramesText();
    const both = joined([message(bytesOf('a')), message(bytesOf('bc'))]);
    const said = new TextDecoder().decode(text.encode(both, 0, both.length));
    expect(said).toBe('AAAAAAFhAAAAAAJiYw==');
    expect(said).toBe(btoa('\0\0\0\0\u0001a') + btoa('\0\0\0\0\u0002bc'));
  });

  it('a message that breaks off is written as far as it came', () => {
    const text = new FramesText();
    const part = message(bytesOf('abc')).subarray(0, 7);
    const pieces = [text.encode(part, 0, part.length), text.end()];
    expect(decode(pieces)).toEqual(part);
  });
});

it('trailers are one frame, a line each', () => {
  const frame = trailersFrame([
    ['Grpc-Status', '5'],
    ['grpc-message', 'no \u00e9'],
  ]);
  expect(frame[0]).toBe(0x80);
  expect(new DataView(frame.buffer).getUint32(1)).toBe(frame.length - 5);
  const text = String.fromCharCode(...frame.subarray(5));
  expect(text).toBe('grpc-status:5\r\ngrpc-message:no \u00e9\r\n');
  expect(decode([frameText(frame)])).toEqual(frame);
});
