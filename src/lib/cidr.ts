/** IP addresses and blocks. IPv4-mapped IPv6 addresses count as the IPv4 address that they carry. */

/** Four 32-bit words, highest first; an IPv4 address lives in ::ffff:0:0/96. */
type Words = readonly [number, number, number, number];

const V4_PREFIX = 0xffff;

function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value >>> 0;
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      groups.push(v4 >>> 16, v4 & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseV6(text: string): Words | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  const word = (i: number): number => (((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

/** Strict: no leading zeros, no port, no brackets, no zone. */
function parseIp(text: string): Words | undefined {
  if (text.includes(':')) return parseV6(text);
  const v4 = parseV4(text);
  return v4 === undefined ? undefined : [0, 0, V4_PREFIX, v4];
}

export function isIp(text: string): boolean {
  return parseIp(text) !== undefined;
}

interface Block {
  readonly address: Words;
  /** Counted over 128 bits. */
  readonly bits: number;
}

/** `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32`; undefined when it is none. */
export function parseCidr(text: string): Block | undefined {
  const slash = text.indexOf('/');
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const isV4 = !text.includes(':');
  if (slash < 0) return { address, bits: 128 };
  const length = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > (isV4 ? 32 : 128)) return undefined;
  return { address, bits: Number(length) + (isV4 ? 96 : 0) };
}

function inBlock(ip: Words, block: Block): boolean {
  let left = block.bits;
  for (let i = 0; i < 4 && left > 0; i++) {
    const mask = left >= 32 ? 0xffff_ffff : ~(0xffff_ffff >>> left);
    if ((((ip[i] as number) ^ (block.address[i] as number)) & mask) !== 0) return false;
    left -= 32;
  }
  return true;
}

/**
 * A test whether an address lies in one of the blocks; undefined = the text is no address.
 * @throws RangeError when a block can't be read.
 */
export function linkCidrs(blocks: readonly string[]): (ip: string) => boolean | undefined {
  const parsed = blocks.map((text) => {
    const block = parseCidr(text);
    if (block === undefined) throw new RangeError(`"${text}" is no IP address or CIDR block`);
    return block;
  });
  return (ip) => {
    const words = parseIp(ip);
    if (words === undefined) return undefined;
    for (const block of parsed) if (inBlock(words, block)) return true;
    return false;
  };
}
