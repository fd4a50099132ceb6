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

const WORDS = 4;

function compareWords(
  a: ArrayLike<number>,
  at: number,
  b: ArrayLike<number>,
  from: number,
): number {
  for (let i = 0; i < WORDS; i++) {
    const difference = (a[at + i] as number) - (b[from + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Blocks as disjoint ranges in ascending order: one binary search, however many blocks there are. */
class AddressRanges {
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  #count = 0;

  constructor(blocks: readonly Block[]) {
    const first = new Uint32Array(blocks.length * WORDS);
    const last = new Uint32Array(blocks.length * WORDS);
    for (const [index, { address, bits }] of blocks.entries())
      for (let i = 0; i < WORDS; i++) {
        const host = Math.min(32, Math.max(0, 32 * (i + 1) - bits));
        const mask = host === 32 ? 0xffff_ffff : (1 << host) - 1;
        const word = address[i] as number;
        first[index * WORDS + i] = word & ~mask;
        last[index * WORDS + i] = word | mask;
      }
    const order = blocks
      .map((_, index) => index * WORDS)
      .sort((a, b) => compareWords(first, a, first, b) || compareWords(last, b, last, a));
    this.#first = new Uint32Array(first.length);
    this.#last = new Uint32Array(last.length);
    for (const at of order) {
      // Two blocks are nested or apart: what ends inside the one before lies inside it.
      const end = this.#count * WORDS;
      if (end > 0 && compareWords(last, at, this.#last, end - WORDS) <= 0) continue;
      this.#first.set(first.subarray(at, at + WORDS), end);
      this.#last.set(last.subarray(at, at + WORDS), end);
      this.#count++;
    }
  }

  has(ip: Words): boolean {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareWords(this.#first, middle * WORDS, ip, 0) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && compareWords(this.#last, (low - 1) * WORDS, ip, 0) >= 0;
  }
}

/**
 * A test whether an address lies in one of the blocks; undefined = the text is no address.
 * @throws RangeError when a block can't be read.
 */
export function linkCidrs(blocks: readonly string[]): (ip: string) => boolean | undefined {
  const ranges = new AddressRanges(
    blocks.map((text) => {
      const block = parseCidr(text);
      if (block === undefined) throw new RangeError(`"${text}" is no IP address or CIDR block`);
      return block;
    }),
  );
  return (ip) => {
    const words = parseIp(ip);
    return words === undefined ? undefined : ranges.has(words);
  };
}
