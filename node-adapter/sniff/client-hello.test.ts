import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { captureHello } from '../../test/fixtures/tls-client.ts';
import { MAX_HELLO_BYTES, clientHello } from './client-hello.ts';

const number = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) % 256);
const vector = (bytes: number, content: readonly number[]): number[] => [
  ...number(content.length, bytes),
  ...content,
];
const text = (value: string): number[] => [...Buffer.from(value, 'latin1')];
const extension = (type: number, content: readonly number[]): number[] => [
  ...number(type, 2),
  ...vector(2, content),
];
const sniOf = (name: string): number[] => extension(0, vector(2, [0, ...vector(2, text(name))]));
const alpnOf = (...names: string[]): number[] =>
  extension(
    16,
    vector(
      2,
      names.flatMap((name) => vector(1, text(name))),
    ),
  );

function message(extensions: readonly number[]): number[] {
  const body = [
    3,
    3,
    ...Array.from({ length: 32 }, () => 7),
    ...vector(1, [1, 2, 3]),
    ...vector(2, [0x1a, 0x1a, 0x13, 1]),
    ...vector(1, [0]),
    ...vector(2, extensions),
  ];
  return [1, ...number(body.length, 3), ...body];
}

const record = (content: readonly number[]): number[] => [22, 3, 1, ...vector(2, content)];
const helloOf = (...extensions: number[][]): Uint8Array =>
  Uint8Array.from(record(message(extensions.flat())));

/** The same message in records of such lengths. */
function inRecords(content: readonly number[], lengths: readonly number[]): Uint8Array {
  const records: number[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= content.length) break;
    records.push(...record(content.slice(at, at + length)));
    at += length;
  }
  if (at < content.length) records.push(...record(content.slice(at)));
  return Uint8Array.from(records);
}

const hello = helloOf(
  extension(0x2a2a, []),
  sniOf('WWW.Example.COM'),
  alpnOf('\x8a\x8a', 'h2', 'http/1.1'),
  extension(43, vector(1, [0x6a, 0x6a, 3, 4, 3, 3])),
);
const wanted = { sni: 'www.example.com', alpn: ['h2', 'http/1.1'], version: 0x0304 };

describe('clientHello', () => {
  it('reads name, protocols and version, and leaves GREASE out', () => {
    expect(clientHello(hello)).toEqual(wanted);
    expect(clientHello(Uint8Array.of(...hello, 20, 3, 3, 0, 1, 1))).toEqual(wanted);
    expect(clientHello(helloOf())).toEqual({ sni: '', alpn: [], version: 0x0303 });
    expect(clientHello(helloOf(sniOf('outbound_.80_._.a.b')))).toMatchObject({
      sni: 'outbound_.80_._.a.b',
    });
  });

  it('reads what Node sends', async () => {
    const sent = await captureHello({ servername: 'a.example', ALPNProtocols: ['http/1.1'] });
    expect(clientHello(sent)).toEqual({ sni: 'a.example', alpn: ['http/1.1'], version: 0x0304 });
    expect(clientHello(await captureHello({}))).toMatchObject({ sni: '', alpn: [] });
  });

  it('waits for every byte', () => {
    for (let cut = 0; cut < hello.length; cut++)
      expect(clientHello(hello.subarray(0, cut))).toBe('incomplete');
  });

  it('reads it out of several records, cut anywhere', () => {
    const content = [...hello.subarray(5)];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }), (lengths) => {
        const bytes = inRecords(content, lengths);
        expect(clientHello(bytes)).toEqual(wanted);
        for (let cut = 0; cut < bytes.length; cut += 7)
          expect(clientHello(bytes.subarray(0, cut))).toBe('incomplete');
      }),
    );
  });

  it.each<[string, Uint8Array]>([
    ['two names', helloOf(extension(0, vector(2, [0, ...vector(2, text('a')), 0, 0, 1, 98])))],
    ['an extension twice', helloOf(sniOf('a.b'), sniOf('a.b'))],
    ['an empty name', helloOf(sniOf(''))],
    ['a name with NUL', helloOf(sniOf('a.b\0.c'))],
    ['a name with a space', helloOf(sniOf('a b'))],
    ['a long name', helloOf(sniOf('a'.repeat(256)))],
    ['an empty protocol', helloOf(alpnOf(''))],
    ['bytes behind the message', Uint8Array.from(record([...message([]), 1]))],
    ['another message', Uint8Array.from(record([2, ...message([]).slice(1)]))],
    ['an empty message', Uint8Array.from(record([1, 0, 0, 0]))],
    ['an empty record', Uint8Array.of(22, 3, 1, 0, 0)],
    ['a long record', Uint8Array.of(22, 3, 1, 0x40, 1)],
    ['a long message', Uint8Array.from(record([1, 0, 0x40, 0]))],
    [
      'too many records',
      inRecords(
        [...hello.subarray(5)],
        Array.from({ length: 70 }, () => 1),
      ),
    ],
    ['another record in between', Uint8Array.from([...record([1, 0, 0]), 23, 3, 3, 0, 1])],
  ])('refuses %s', (_, bytes) => {
    expect(clientHello(bytes)).toBe('malformed');
  });

  it('knows what is no TLS', () => {
    expect(clientHello(Buffer.from('GET / HTTP/1.1'))).toBe('not-tls');
    expect(clientHello(Uint8Array.of(22, 2))).toBe('not-tls');
    expect(clientHello(Uint8Array.of(0x80, 0x2e, 1))).toBe('not-tls');
  });

  it('never throws, and never waits beyond its bound', () => {
    const mutated = fc.record({
      flips: fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 6 }),
      cut: fc.nat(hello.length),
      tail: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(mutated, ({ flips, cut, tail }) => {
        const bytes = Buffer.concat([hello.subarray(0, cut), tail]);
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
        const found = clientHello(bytes);
        expect(typeof found === 'string' || found.sni.length <= 255).toBe(true);
        const filled = Buffer.concat([bytes, Buffer.alloc(MAX_HELLO_BYTES + 5, 22)]);
        expect(clientHello(filled)).not.toBe('incomplete');
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        clientHello(bytes);
        clientHello(Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, ...bytes));
      }),
    );
  });
});
