/** A backend that reads as the slow reference does and answers in every way that backends have, the bad ones too. */
import { referenceStream } from '../fixtures/reference-parser.ts';
import type { ReferenceMessage } from '../fixtures/reference-parser.ts';
import { piecesOf, cutsOf } from './http1-streams.ts';
import type { MemorySocket } from './http1-sockets.ts';
import { Random } from './random.ts';

export interface Forwarded {
  /** Which of the client's requests it was sent for. */
  readonly number: number;
  readonly message: ReferenceMessage;
}

/** What the world hears of its backends. */
export interface Ledger {
  readonly seed: number;
  readonly forwarded: Forwarded[];
  /** Bodies of whole answers, by the identity that they carry. */
  readonly bodies: Map<string, string>;
  /** Requests that were answered in a way that the proxy can't pass on. */
  readonly spoiled: Set<number>;
  fault?: string;
}

interface Answer {
  readonly text: string;
  readonly ends?: boolean;
  readonly isSpoiled?: boolean;
  /** Comes in one piece: what is behind an answer, and comes when the next is awaited, nobody can tell from that. */
  readonly isOne?: boolean;
  /** Undefined: there is no whole one. */
  readonly body?: string;
}

type Way = (id: string, body: string) => Answer;

const chunked = (body: string): string =>
  `${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`;

const lengthOf = (id: string, body: string, line = 'HTTP/1.1 200 OK'): string =>
  `${line}\r\nX-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const GOOD: readonly Way[] = [
  (id, body) => ({ text: lengthOf(id, body), body }),
  (id, body) => ({ text: lengthOf(id, body, 'HTTP/1.1 404 None'), body }),
  (id, body) => ({
    text: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Id: ${id}\r\n\r\n${chunked(body)}`,
    body,
  }),
  (id) => ({ text: `HTTP/1.1 204 None\r\nX-Id: ${id}\r\n\r\n`, body: '' }),
  (id) => ({ text: `HTTP/1.1 304 Same\r\nX-Id: ${id}\r\nContent-Length: 9\r\n\r\n`, body: '' }),
  (id, body) => ({ text: `HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n${lengthOf(id, body)}`, body }),
  (id, body) => ({ text: `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n\r\n${body}`, body, ends: true }),
  (id, body) => ({ text: lengthOf(id, body, 'HTTP/1.0 200 OK'), body }),
  (id, body) => ({
    text: `HTTP/1.1 200 OK\r\nConnection: close\r\nX-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    body,
    ends: true,
  }),
];

const BAD: readonly Way[] = [
  (id) => ({
    text: `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: 99\r\n\r\nhalf`,
    ends: true,
    isSpoiled: true,
  }),
  (id) => ({
    text: `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf`,
    ends: true,
    isSpoiled: true,
  }),
  (id) => ({
    text: `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\nhalf\r\n0\r\n\r\n`,
    isSpoiled: true,
  }),
  () => ({
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    isSpoiled: true,
  }),
  () => ({ text: 'nonsense\r\n\r\n', isSpoiled: true }),
  () => ({ text: '', ends: true, isSpoiled: true }),
  (id, body) => ({
    text: `${lengthOf(id, body)}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
    body,
    isOne: true,
  }),
];

/** Without its body, where a body may not be. */
const headOnly = (text: string): string => {
  const at = text.lastIndexOf('\r\n\r\n', text.length - 1);
  const first = text.startsWith('HTTP/1.1 103') ? text.indexOf('\r\n\r\n') + 4 : 0;
  const end = text.indexOf('\r\n\r\n', first);
  return end < 0 ? text.slice(0, at) : text.slice(0, end + 4);
};

export class MemoryBackend {
  readonly #socket: MemorySocket;
  readonly #ledger: Ledger;
  readonly #random: Random;
  /** What it has to say, in pieces. */
  readonly pieces: string[] = [];
  /** It ends behind what it has to say. */
  ends = false;
  #text = '';
  /** Of what has been taken off the text. */
  #length = 0;
  #answered = 0;
  #read = 0;

  constructor(socket: MemorySocket, ledger: Ledger, number: number) {
    this.#socket = socket;
    this.#ledger = ledger;
    this.#random = new Random(ledger.seed * 31 + number);
  }

  feed(text: string): void {
    this.#text += text;
    const { messages, length, rest, head } = referenceStream(this.#text);
    let at = 0;
    for (const message of messages) {
      const number = this.#socket.numberAt(this.#length + at);
      at = this.#text.indexOf('\r\n\r\n', at);
      // Only the first message's place is known for sure; more than one at once would be a fault by itself.
      if (messages.length > 1)
        this.#ledger.fault = 'two requests on their way to a backend at once';
      this.#ledger.forwarded.push({ number, message });
      if (this.#read++ === this.#answered) this.#answer(number, message.start[0] ?? '');
    }
    if (rest === 'fault') this.#ledger.fault = `a backend can't read ${JSON.stringify(this.#text)}`;
    this.#text = this.#text.slice(length);
    this.#length += length;
    // Some answer before they have heard all.
    if (head !== undefined && this.#read === this.#answered && this.#random.chance(0.05))
      this.#answer(this.#socket.numberAt(this.#length), head.start[0] ?? '');
  }

  #answer(number: number, method: string): void {
    const random = this.#random;
    const id = `${String(number)}.${String(this.#ledger.bodies.size)}`;
    const body = random.chance(0.03) ? 'x'.repeat(random.int(1, 9000)) : `body of ${id}`;
    const way = random.pick(random.chance(0.04) ? BAD : GOOD);
    const answer = way(id, body);
    this.#answered++;
    this.#ledger.bodies.set(id, answer.body ?? '\0');
    if (answer.isSpoiled === true) this.#ledger.spoiled.add(number);
    const text = method === 'HEAD' ? headOnly(answer.text) : answer.text;
    this.pieces.push(
      ...piecesOf(text, answer.isOne === true || random.chance(0.7) ? [] : cutsOf(random)),
    );
    if (answer.ends === true) this.ends = true;
  }
}
