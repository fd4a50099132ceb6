import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PORTABLE_BYTES } from './bytes.ts';
import { ConnectionFault } from './errors.ts';
import { makeField } from './field.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts';
import { DEFAULT_HTTP2_LIMITS } from './limits.ts';
import { Output } from './output.ts';
import { STATIC_FIELDS } from './static-table.ts';

type Pairs = readonly (readonly [string, string])[];

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

function decode(decoder: HpackDecoder, bytes: Uint8Array): [string, string][] {
  decoder.decode(bytes, 0, bytes.length);
  return decoder.fields.slice(0, decoder.count).map(({ name, value }) => [name, value]);
}

function encode(encoder: HpackEncoder, pairs: Pairs): Uint8Array {
  const out = new Output(PORTABLE_BYTES, 16);
  encoder.begin(out);
  for (const [name, value] of pairs) encoder.text(name, value, out);
  return out.bytes.slice(0, out.length);
}

const decoderOf = (): HpackDecoder => new HpackDecoder(DEFAULT_HTTP2_LIMITS);

/** RFC 7541, C.4 and C.6: blocks of one connection after the other, with Huffman code. */
const requests: readonly (readonly [hex: string, fields: Pairs])[] = [
  [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ],
  ],
  [
    '8286 84be 5886 a8eb 1064 9cbf',
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
  ],
  [
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  ],
];

describe('examples of RFC 7541', () => {
  test('requests with Huffman code', () => {
    const decoder = decoderOf();
    for (const [hex, fields] of requests) expect(decode(decoder, bytesOf(hex))).toEqual(fields);
  });

  test('a literal that is never indexed is known as one', () => {
    const decoder = decoderOf();
    expect(decode(decoder, bytesOf('1008 7061 7373 776f 7264 0673 6563 7265 74'))).toEqual([
      ['password', 'secret'],
    ]);
    const [field] = decoder.fields;
    expect(field?.isSensitive).toBe(true);
    const encoder = new HpackEncoder();
    for (let i = 0; i < 3; i++) {
      const out = new Output();
      if (field !== undefined) encoder.field(field, out);
      expect((out.bytes[0] as number) & 0xf0).toBe(0x10);
    }
  });

  test('the static table has its 61 entries in place', () => {
    expect(STATIC_FIELDS).toHaveLength(61);
    expect(STATIC_FIELDS[60]?.name).toBe('www-authenticate');
    expect([STATIC_FIELDS[15]?.name, STATIC_FIELDS[15]?.value]).toEqual([
      'accept-encoding',
      'gzip, deflate',
    ]);
  });
});

const faults: readonly (readonly [name: string, hex: string, reason: string])[] = [
  ['index 0', '80', 'index_unknown'],
  ['index behind the tables', 'be', 'index_unknown'],
  ['name index behind the tables', '7f 00', 'index_unknown'],
  ['a string that is cut', '40 05 61 62', 'block_cut'],
  ['an integer that is cut', 'ff', 'block_cut'],
  ['an integer without end', 'ff ff ff ff ff ff ff', 'integer_too_large'],
  ['a name without a value', '40 01 61', 'block_cut'],
  ['a table larger than allowed', '3f e2 1f', 'table_size_update_too_large'],
  ['a table size behind a field', '82 20', 'table_size_update_within_block'],
  ['three table sizes', '20 20 20', 'table_size_update_too_large'],
  ['Huffman padding of zeros', '40 01 61 81 18', 'huffman_padding'],
  ['Huffman padding of a whole byte', '40 01 61 82 1f ff', 'huffman_padding'],
  ['the end mark within a text', '40 01 61 84 ff ff ff ff', 'huffman_end_mark'],
];

describe('literals that are wanted in no table', () => {
  const secret = (value: string, text = new Output(PORTABLE_BYTES, 16)): Uint8Array => {
    const code = new Output(PORTABLE_BYTES, 4096);
    encodeHuffman(value, code);
    // Never indexed, by the name of entry 23 of the static table; its length in seven bits and more.
    for (const byte of [0x1f, 23 - 15]) text.bytes[text.length++] = byte;
    if (code.length < 127) text.bytes[text.length++] = 0x80 | code.length;
    else {
      text.bytes[text.length++] = 0xff;
      let left = code.length - 127;
      for (; left >= 128; left >>= 7) text.bytes[text.length++] = (left & 127) | 128;
      text.bytes[text.length++] = left;
    }
    const bytes = new Uint8Array(text.length + code.length);
    bytes.set(text.bytes.subarray(0, text.length));
    bytes.set(code.bytes.subarray(0, code.length), text.length);
    return bytes;
  };
  const fieldOf = (decoder: HpackDecoder, bytes: Uint8Array) => {
    // As sockets do: the next read overwrites this one.
    const lent = Buffer.from(bytes);
    decoder.decode(lent, 0, lent.length);
    const [field] = decoder.fields;
    lent.fill(0);
    return field;
  };
  const token = (mark: string): string => `Bearer ${'abcdefgh'.repeat(8)}${mark}`;

  test('are one field for as long as they come again', () => {
    const decoder = decoderOf();
    const first = fieldOf(decoder, secret(token('1')));
    expect(first).toMatchObject({ name: 'authorization', value: token('1'), isSensitive: true });
    expect(fieldOf(decoder, secret(token('1')))).toBe(first);
    expect(fieldOf(decoder, secret(token('2')))?.value).toBe(token('2'));
    expect(fieldOf(decoder, secret(token('1')))).toBe(first);
  });

  test('are read right whatever came before, and kept in a few places', () => {
    const values = fc.oneof(
      fc.integer({ min: 0, max: 6 }).map((mark) => token(String(mark))),
      fc.constantFrom('', 'a', 'x'.repeat(3000)),
    );
    fc.assert(
      fc.property(fc.array(values, { maxLength: 30 }), (sent) => {
        const decoder = decoderOf();
        for (const value of sent) expect(fieldOf(decoder, secret(value))?.value).toBe(value);
      }),
      { numRuns: 300 },
    );
  });
});

describe('malformed blocks', () => {
  test.each(faults)('%s', (_name, hex, reason) => {
    const bytes = bytesOf(hex);
    const run = (): unknown => decode(decoderOf(), bytes);
    expect(run).toThrow(new ConnectionFault(9, reason));
  });

  test('a smaller table that we asked for must be said at once', () => {
    const decoder = decoderOf();
    decoder.allow(0);
    expect(() => decode(decoder, bytesOf('82'))).toThrow('table_size_update_missing');
    expect(decode(decoder, bytesOf('20 82'))).toEqual([[':method', 'GET']]);
  });
});

const text = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 300,
});
const name = fc.oneof(
  fc.constantFrom('x-a', 'x-b', 'cookie', 'content-type', ':path', ':status', 'te'),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/),
);
const value = fc.oneof(
  fc.constantFrom('', '1', '200', 'gzip, deflate', 'application/grpc'),
  fc.stringMatching(/^[!-~]([ -~]{0,80}[!-~])?$/),
);
const block = fc.array(fc.tuple(name, value), { maxLength: 12 });

test('Huffman code and back', () => {
  fc.assert(
    fc.property(text, (given) => {
      const out = new Output(PORTABLE_BYTES, given.length * 4 + 8);
      encodeHuffman(given, out);
      expect(out.length).toBe(huffmanLength(given));
      const into = new Uint8Array(out.length * 2 + 2);
      const length = decodeHuffman(out.bytes, 0, out.length, into);
      expect(PORTABLE_BYTES.text(into, 0, length)).toBe(given);
    }),
  );
});

test('blocks of one connection come out as they went in, whatever sizes the tables take', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: block },
    { weight: 1, arbitrary: fc.constantFrom(0, 31, 64, 200, 1000, 4096, 65_536) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, usesHuffman) => {
      const encoder = new HpackEncoder({ usesHuffman });
      const decoder = decoderOf();
      for (const one of steps)
        if (typeof one === 'number') encoder.limit(one);
        else expect(decode(decoder, encode(encoder, one))).toEqual(one);
    }),
    { numRuns: 300 },
  );
});

test('fields that pass from one connection to another are one byte each once they are known', () => {
  const from = new HpackEncoder();
  const between = decoderOf();
  const to = new HpackEncoder();
  const end = decoderOf();
  const fields: Pairs = [
    [':method', 'POST'],
    [':path', '/orders.v1.Orders/Get'],
    ['content-type', 'application/grpc'],
    ['user-agent', 'grpc-node/1.0'],
  ];
  let length = 0;
  for (let round = 0; round < 5; round++) {
    const bytes = encode(from, fields);
    between.decode(bytes, 0, bytes.length);
    const out = new Output();
    to.begin(out);
    for (const field of between.fields.slice(0, between.count)) to.field(field, out);
    ({ length } = out);
    expect(decode(end, out.bytes.slice(0, out.length))).toEqual(fields);
  }
  expect(length).toBe(fields.length);
});

test('a field remembers its encoder, and another one finds it all the same', () => {
  const field = makeField('x-tenant', 'blue');
  const encoders = [new HpackEncoder(), new HpackEncoder(), new HpackEncoder()];
  const lengths = Array.from({ length: 4 }, () =>
    encoders.map((encoder) => {
      const out = new Output();
      encoder.field(field, out);
      return out.length;
    }),
  );
  expect(lengths.at(-1)).toEqual([1, 1, 1]);
});

test('values that never come twice push nothing out of the table', () => {
  const encoder = new HpackEncoder();
  const stable: Pairs = [['x-tenant', 'blue']];
  for (let i = 0; i < 4; i++) encode(encoder, stable);
  for (let i = 0; i < 1000; i++) encode(encoder, [['x-request-id', `request-${i}`]]);
  expect(encode(encoder, stable)).toHaveLength(1);
});

test('a table of size 0 is never referred to', () => {
  const encoder = new HpackEncoder();
  encode(encoder, [['x-a', '1']]);
  encoder.limit(0);
  const decoder = decoderOf();
  decoder.allow(0);
  for (let i = 0; i < 3; i++)
    expect(decode(decoder, encode(encoder, [['x-a', '1']]))).toEqual([['x-a', '1']]);
});

test('what exceeds the limits is not kept, and the tables stay right', () => {
  const decoder = new HpackDecoder({ headerListBytes: 200, fields: 100 });
  const encoder = new HpackEncoder();
  const large: Pairs = [
    ['x-a', 'a'.repeat(150)],
    ['x-b', 'b'.repeat(150)],
  ];
  expect(decode(decoder, encode(encoder, large))).toHaveLength(1);
  expect(decoder.isTooLarge).toBe(true);
  const many = new HpackDecoder({ headerListBytes: 65_536, fields: 3 });
  decode(
    many,
    encode(
      new HpackEncoder(),
      Array.from({ length: 8 }, () => ['x', '1'] as const),
    ),
  );
  expect(many.isTooLarge).toBe(true);
  expect(decode(decoder, encode(encoder, [['x-b', 'b'.repeat(150)]]))).toHaveLength(1);
  expect(decoder.isTooLarge).toBe(false);
});

test('random bytes are a block or a fault, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (blocks) => {
      const decoder = decoderOf();
      for (const bytes of blocks) {
        try {
          decoder.decode(bytes, 0, bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ConnectionFault);
          return;
        }
      }
    }),
    { numRuns: 2000 },
  );
});
