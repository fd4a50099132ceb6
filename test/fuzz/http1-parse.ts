/** The fast parsers read every stream as the slow reference does, however it is cut. */
import { BodyReader } from '../../node-adapter/http1/body-reader.ts';
import {
  DEFAULT_LIMITS,
  HeadFault,
  parseRequest,
  parseResponse,
  requestFraming,
  responseFraming,
} from '../../src/http1/index.ts';
import type { BodyFraming, RawRequestHead, RawResponseHead } from '../../src/http1/index.ts';
import { referenceStream } from '../fixtures/reference-parser.ts';
import type { ReferenceMessage, ReferenceStream } from '../fixtures/reference-parser.ts';
import {
  caseOf,
  cutsOf,
  piecesOf,
  requestText,
  responseText,
  showCase,
  tampered,
} from './http1-streams.ts';
import type { Json } from './json.ts';
import type { Counts, Property } from './property.ts';
import type { Random } from './random.ts';

type Fields = (readonly [name: string, value: string])[];

/** What a codec does with a stream, and nothing else. */
class FastReader {
  readonly messages: ReferenceMessage[] = [];
  readonly #methods: readonly string[] | undefined;
  readonly #in = new BodyReader(DEFAULT_LIMITS);
  #answered = 0;
  #head = '';
  #fields: Fields = [];
  #start: readonly string[] = [];
  #body = '';
  #isInBody = false;
  hasFault = false;

  constructor(methods: readonly string[] | undefined) {
    this.#methods = methods;
  }

  get isBetween(): boolean {
    return !this.#isInBody && this.#head === '';
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    this.#body += (bytes as Buffer).latin1Slice(start, end);
  }

  read(piece: string): void {
    const bytes = Buffer.from(piece, 'latin1');
    let at = 0;
    while (at < bytes.length && !this.hasFault)
      at = this.#isInBody ? this.#readBody(bytes, at) : this.#readHead(bytes, at);
  }

  #readHead(bytes: Buffer, at: number): number {
    const known = this.#head;
    const text = known + bytes.latin1Slice(at);
    const parsed = this.#methods === undefined ? parseRequest(text) : parseResponse(text);
    if (parsed === 'incomplete') {
      this.#head = text;
      return bytes.length;
    }
    if (parsed instanceof HeadFault) {
      this.hasFault = true;
      return bytes.length;
    }
    this.#head = '';
    this.#begin(parsed);
    return at + parsed.length - known.length;
  }

  #begin(head: RawRequestHead | RawResponseHead): void {
    this.#fields = [];
    for (let i = 0; i < head.index.count; i++)
      this.#fields.push([head.index.receivedName(i), head.index.value(i)]);
    this.#body = '';
    this.#start =
      'method' in head ? [head.method, head.target] : [String(head.status), head.reason];
    this.#in.begin(this.#framingOf(head));
    this.#isInBody = true;
    if (this.#in.isWhole) this.#end();
  }

  #framingOf(head: RawRequestHead | RawResponseHead): BodyFraming {
    if ('method' in head) return requestFraming(head);
    const method = this.#methods?.[this.#answered] ?? 'GET';
    if (head.status >= 200) this.#answered++;
    return responseFraming(head, method);
  }

  #readBody(bytes: Buffer, at: number): number {
    const stop = this.#in.read(bytes, at, bytes.length, this);
    if (this.#in.fault !== undefined) this.hasFault = true;
    else if (this.#in.isWhole) this.#end();
    return stop;
  }

  #end(): void {
    this.#isInBody = false;
    this.messages.push({
      start: this.#start,
      fields: this.#fields,
      body: this.#body,
      trailers: this.#in.trailers.map(([name, value]) => [name, value] as const),
    });
  }
}

function fastStream(
  pieces: readonly string[],
  methods: readonly string[] | undefined,
): Pick<ReferenceStream, 'messages' | 'rest'> {
  const reader = new FastReader(methods);
  for (const piece of pieces) reader.read(piece);
  const rest = reader.isBetween ? 'nothing' : 'incomplete';
  return { messages: reader.messages, rest: reader.hasFault ? 'fault' : rest };
}

/** Bytes beyond ASCII come out of the fast parser percent-encoded, each by itself. */
const withSafeTarget = ({ start, ...rest }: ReferenceMessage): ReferenceMessage => ({
  start: start.map((text, i) =>
    i === 0
      ? text
      : text.replaceAll(
          /[\x80-\xff]/g,
          (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`,
        ),
  ),
  ...rest,
});

function make(random: Random): Json {
  const isResponse = random.chance(0.3);
  const messages = Array.from({ length: random.int(1, 8) }, (_, index) => {
    const text = isResponse ? responseText(random) : requestText(index, random);
    return random.chance(0.15) ? tampered(text, random) : text;
  });
  return { messages, cuts: cutsOf(random), seed: isResponse ? random.int(1, 1000) : 0 };
}

const METHODS = ['GET', 'HEAD', 'POST'];

function check(value: Json, counts: Counts): string | undefined {
  const { messages, cuts, seed } = caseOf(value);
  const text = messages.join('');
  const methods = seed === 0 ? undefined : messages.map((_, i) => METHODS[(seed + i) % 5] ?? 'GET');
  const slow = referenceStream(text, methods);
  const fast = fastStream(piecesOf(text, cuts), methods);
  counts.add('messages', slow.messages.length);
  counts.add(`streams that end in ${slow.rest}`);
  const wanted = JSON.stringify([
    methods === undefined ? slow.messages.map(withSafeTarget) : slow.messages,
    slow.rest,
  ]);
  const got = JSON.stringify([fast.messages, fast.rest]);
  return got === wanted ? undefined : `read in two ways\nslow ${wanted}\nfast ${got}`;
}

export const http1Parsers: Property = {
  name: 'http1-parse',
  make,
  check,
  show: showCase,
};
