import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Address } from './proxy-protocol.ts';
import { readProxyHeader, writeProxyHeader } from './proxy-protocol.ts';

const line = (text: string): Buffer => Buffer.from(text, 'latin1');
const binary = (command: number, transport: number, body: readonly number[] = []): Buffer =>
  Buffer.from([
    ...line('\r\n\r\n\0\r\nQUIT\n'),
    command,
    transport,
    body.length >> 8,
    body.length & 255,
    ...body,
  ]);

const source = { ip: '192.0.2.1', port: 40_000 };
const destination = { ip: '198.51.100.2', port: 443 };
const inetBody = [192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 1, 0xbb];

const address: fc.Arbitrary<Address> = fc.record({
  ip: fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((ip) => new URL(`http://[${ip}]`).hostname.slice(1, -1)),
  ),
  port: fc.nat(65_535),
});

describe('PROXY protocol', () => {
  it('reads version 1', () => {
    const bytes = line('PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\nGET /');
    expect(readProxyHeader(bytes)).toEqual({
      version: 1,
      length: bytes.length - 5,
      local: false,
      source,
      destination,
    });
    expect(readProxyHeader(line('PROXY UNKNOWN ffff::1 x 1 2\r\n'))).toMatchObject({ local: true });
    expect(readProxyHeader(line('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'))).toMatchObject({
      source: { ip: '2001:db8::1', port: 1 },
    });
  });

  it('reads version 2, and skips extensions', () => {
    const found = { version: 2, local: false, source, destination };
    expect(readProxyHeader(binary(0x21, 0x11, inetBody))).toEqual({ ...found, length: 28 });
    const extended = [...inetBody, 4, 0, 1, 0, 0xea, 0, 2, 1, 2];
    expect(readProxyHeader(binary(0x21, 0x11, extended))).toEqual({ ...found, length: 37 });
    expect(readProxyHeader(binary(0x20, 0))).toEqual({ version: 2, local: true, length: 16 });
    expect(readProxyHeader(binary(0x20, 0x11, inetBody))).toMatchObject({ local: true });
    const unix = Array.from({ length: 216 }, () => 65);
    expect(readProxyHeader(binary(0x21, 0x31, unix))).toMatchObject({ local: true });
  });

  it.each<[string, Buffer]>([
    ['another family', line('PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n')],
    ['an address of another family', line('PROXY TCP4 ::1 192.0.2.2 1 2\r\n')],
    ['a leading zero', line('PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n')],
    ['a port too high', line('PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n')],
    ['a port with a sign', line('PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n')],
    ['two spaces', line('PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n')],
    ['a word too many', line('PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n')],
    ['a zone', line('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n')],
    ['a line without end', line(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
    ['another version', binary(0x31, 0x11, inetBody)],
    ['another command', binary(0x22, 0x11, inetBody)],
    ['datagrams', binary(0x21, 0x12, inetBody)],
    ['missing addresses', binary(0x21, 0x11, inetBody.slice(1))],
    ['another family in bytes', binary(0x21, 0x41, inetBody)],
    ['too long a header', binary(0x21, 0x11).fill(255, 14)],
  ])('refuses %s', (_, bytes) => {
    expect(readProxyHeader(bytes)).toHaveProperty('fault');
  });

  it('takes all else for no header', () => {
    for (const text of ['GET / HTTP/1.1', 'PROXYTCP4', '\r\n\r\nGET', 'POST /'])
      expect(readProxyHeader(line(text))).toBe('none');
    expect(readProxyHeader(line('P'))).toBe('incomplete');
  });

  it('reads what it writes, and waits for every byte of it', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2), address, address, (version, from, to) => {
        const bytes = writeProxyHeader(version, from, to);
        for (let cut = 0; cut < bytes.length; cut++)
          expect(readProxyHeader(bytes.subarray(0, cut))).toBe('incomplete');
        const read = readProxyHeader(Buffer.concat([bytes, line('rest')]));
        expect(read).toMatchObject({ version, length: bytes.length, local: false });
        const isMixed = from.ip.includes(':') !== to.ip.includes(':');
        const isMapped = [from, to].some(({ ip }) => ip.startsWith('::ffff:'));
        if ((isMixed && version === 1) || isMapped) return;
        expect(read).toMatchObject({ source: from, destination: to });
      }),
    );
    expect(writeProxyHeader(1, { ip: '::ffff:10.0.0.1', port: 1 }, source).toString()).toBe(
      'PROXY TCP4 10.0.0.1 192.0.2.1 1 40000\r\n',
    );
    expect(writeProxyHeader(1, undefined, source).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(readProxyHeader(writeProxyHeader(2, { ip: '', port: 0 }, source))).toMatchObject({
      local: true,
    });
  });

  it('never throws, and never waits beyond its bound', () => {
    const begun = fc.constantFrom(
      writeProxyHeader(1, source, destination),
      writeProxyHeader(2, source, destination),
      line('PROXY '),
    );
    const flips = fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 5 });
    fc.assert(
      fc.property(begun, flips, fc.uint8Array({ maxLength: 80 }), (start, flips, tail) => {
        const bytes = Buffer.concat([start, tail]);
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
        readProxyHeader(bytes);
        expect(readProxyHeader(Buffer.concat([bytes, Buffer.alloc(5000)]))).not.toBe('incomplete');
      }),
      { numRuns: 2000 },
    );
  });
});
