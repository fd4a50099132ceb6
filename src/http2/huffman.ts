/**
 * The Huffman code of RFC 7541, appendix B. It is canonical, so that the lengths alone say it. Decoding takes a byte at
 * a time: a state is a node of the code's tree, and each byte leads to the next one and gives up to two characters.
 */
import type { Output } from './output.ts';
import { compressionFault } from './errors.ts';

/** Of 0 to 255 and of the end mark, each as a letter: A is a length of 5. */
const LENGTHS =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ';
const SHORTEST = 5;
const END_MARK = 256;
const PAD_BITS = 7;

const lengths = Uint8Array.from(LENGTHS, (letter) => letter.charCodeAt(0) - 65 + SHORTEST);

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(lengths.length);
  let code = 0;
  for (let length = SHORTEST; length <= 30; length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++)
      if (lengths[symbol] === length) codes[symbol] = code++;
    code *= 2;
  }
  return codes;
}

const codes = canonicalCodes();

/** A node has two ways on: to a node, or to a symbol as its negative less one. 0 = not known yet. */
type Node = [zero: number, one: number];

function treeOf(): Node[] {
  const nodes: Node[] = [[0, 0]];
  for (let symbol = 0; symbol < codes.length; symbol++) {
    let at = 0;
    for (let bit = (lengths[symbol] as number) - 1; bit >= 0; bit--) {
      const node = nodes[at] as Node;
      const way = ((codes[symbol] as number) >>> bit) & 1;
      if (bit === 0) node[way] = -1 - symbol;
      else {
        if (node[way] === 0) node[way] = nodes.push([0, 0]) - 1;
        at = node[way] as number;
      }
    }
  }
  return nodes;
}

interface Tables {
  /** Of state and byte: next state from bit 18 on, how many characters at 16, the characters below. -1 = no text. */
  readonly steps: Int32Array;
  /** States in which a text may end: at most seven bits of the end mark have been read. */
  readonly ends: Uint8Array;
}

function stepOf(nodes: readonly Node[], state: number, byte: number): number {
  let at = state;
  let count = 0;
  let characters = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const next = (nodes[at] as Node)[(byte >> bit) & 1] as number;
    if (next >= 0) {
      at = next;
      continue;
    }
    const symbol = -1 - next;
    if (symbol === END_MARK) return -1;
    characters |= symbol << (count++ * 8);
    at = 0;
  }
  return (at << 18) | (count << 16) | characters;
}

function buildTables(): Tables {
  const nodes = treeOf();
  const steps = new Int32Array(nodes.length * 256);
  for (let state = 0; state < nodes.length; state++)
    for (let byte = 0; byte < 256; byte++) steps[state * 256 + byte] = stepOf(nodes, state, byte);
  const ends = new Uint8Array(nodes.length);
  for (let at = 0, bits = 0; bits <= PAD_BITS; bits++) {
    ends[at] = 1;
    at = (nodes[at] as Node)[1];
  }
  return { steps, ends };
}

let tables: Tables | undefined;

/** No text is shorter than five eighths of its code; a byte gives at most two characters. */
export const decodedRoom = (bytes: number): number => bytes * 2;

/** Decodes into `into` and says how many characters there are. */
export function decodeHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
): number {
  tables ??= buildTables();
  const { steps, ends } = tables;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const step = steps[(state << 8) | (bytes[at] as number)] as number;
    if (step < 0) throw compressionFault('huffman_end_mark');
    const count = (step >> 16) & 3;
    // Written whatever the count, so that nothing branches on it.
    into[length] = step;
    into[length + 1] = step >> 8;
    length += count;
    state = step >> 18;
  }
  if (ends[state] === 0) throw compressionFault('huffman_padding');
  return length;
}

/** Bytes of the text's code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >> 3;
}

/** Appends the text's code; there must be room. */
export function encodeHuffman(text: string, out: Output): void {
  const { bytes } = out;
  let at = out.length;
  // Up to seven bits wait for their byte; a code is put in two halves where it wouldn't fit behind them.
  let waiting = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = codes[symbol] as number;
    let length = lengths[symbol] as number;
    if (length > 16) {
      const high = length - 16;
      waiting = (waiting << high) | (code >>> 16);
      count += high;
      while (count >= 8) bytes[at++] = waiting >>> (count -= 8);
      waiting &= 0xff >> (8 - count);
      length = 16;
    }
    waiting = (waiting << length) | (code & 0xffff);
    count += length;
    while (count >= 8) bytes[at++] = waiting >>> (count -= 8);
    waiting &= 0xff >> (8 - count);
  }
  if (count > 0) bytes[at++] = (waiting << (8 - count)) | (0xff >> count);
  out.length = at;
}
