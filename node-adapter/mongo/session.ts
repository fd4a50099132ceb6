/** What one connection's messages say, both ways: operations are begun by a request and ended by its answer. */
import type { MongoFault, MongoRules } from '../../src/model/mongo.ts';
import type {
  MessageHeader,
  MongoReply,
  MongoRequest,
  Unpacked,
  View,
} from '../../src/mongo/index.ts';
import { Framing, readReply, readRequest, unpack } from '../../src/mongo/index.ts';
import type { FlowWatcher } from '../tcp/flow.ts';
import { decompress } from './decompress.ts';
import type { MongoCounters, OperationCounts } from './stats.ts';

/** What a message says. */
export interface ReadRequest {
  readonly request: MongoRequest;
  readonly opCode: number;
}

/** What a message turned out to ask. */
export interface Asked extends ReadRequest {
  readonly fault: MongoFault | undefined;
  readonly counts: readonly OperationCounts[];
  readonly beganMs: number;
}

interface Pending {
  readonly asked: Asked;
  /** It has been answered once, and more answers follow. */
  isAnswered: boolean;
}

/** Of what is unpacked to be read. @default where nothing depends on its being read */
const MAX_UNPACKED_BYTES = 4_194_304;
/** More requests than a client has under way; the rest is counted without its answer. */
const MAX_PENDING = 1024;

/** Told of answers; what they came with is passed to the client when the call has returned. */
export interface ReplyListener {
  /** Undefined = it couldn't be read. */
  onReply(asked: Asked, reply: MongoReply | undefined, unpacked: Unpacked | undefined): void;
  /** Everything that is waited for has been answered. */
  onQuiet(): void;
}

export interface ReplyTap extends FlowWatcher {
  /** No message is under way. */
  readonly isBetween: boolean;
}

export interface SessionOptions {
  readonly counters: MongoCounters;
  readonly rules: MongoRules | undefined;
  /** Once: what comes is no message. */
  onLost(): void;
}

export class MongoSession {
  /** @default nobody listens */
  listener: ReplyListener | undefined;
  readonly #options: SessionOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #fromClient: Framing;
  readonly #fromServer: Framing;
  /** Of the server that spoke last: they speak one after the other. */
  #answers: Framing;
  #whenBetween: (() => void) | undefined;
  #isLost = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const onLost = (): void => this.lose();
    this.#fromClient = new Framing({
      onMessage: (header, view) => {
        const asked = this.begin(header, this.read(header, view));
        if (asked !== undefined) this.expect(header, asked);
      },
      onLost,
    });
    this.#fromServer = this.#framingOfReplies(onLost);
    this.#answers = this.#fromServer;
  }

  readonly clientTap: FlowWatcher = {
    onBytes: (bytes, start, end) => this.#tap(this.#fromClient, bytes, start, end),
  };

  readonly serverTap: FlowWatcher = {
    onBytes: (bytes, start, end) => this.#tapAnswers(this.#fromServer, bytes, start, end),
  };

  /** For a further server. @param onLost once: what it sends is no message */
  createReplyTap(onLost: () => void): ReplyTap {
    const framing = this.#framingOfReplies(onLost);
    return {
      onBytes: (bytes, start, end) => this.#tapAnswers(framing, bytes, start, end),
      get isBetween() {
        return framing.isBetween;
      },
    };
  }

  /** No operation is under way. */
  get isQuiet(): boolean {
    return (
      !this.#isLost &&
      this.#pending.size === 0 &&
      this.#fromClient.isBetween &&
      this.#fromServer.isBetween
    );
  }

  /** No answer is waited for. */
  get isAnswered(): boolean {
    return this.#pending.size === 0;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** The client has no part of an answer: one may go in between. Of what is lost nobody knows. */
  get isBetweenAnswers(): boolean {
    return this.#isLost || this.#answers.isBetween;
  }

  /** Once, when a part of an answer has become a whole one and is passed on. One waits at a time. */
  whenBetweenAnswers(act: () => void): void {
    this.#whenBetween = act;
  }

  /** The answer to one more request would be known for its own. */
  hasRoomFor({ requestId }: MessageHeader): boolean {
    return this.#pending.size < MAX_PENDING && !this.#pending.has(requestId);
  }

  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#pending.clear();
    this.#options.counters.lost++;
    this.#options.onLost();
    this.listener?.onQuiet();
    this.#tellBetween();
  }

  /** Undefined = nothing is understood of it. */
  read(
    header: MessageHeader,
    view: View,
    maxBytes: number = MAX_UNPACKED_BYTES,
  ): ReadRequest | undefined {
    const unpacked = this.#unpack(header, view, maxBytes);
    const request = unpacked === undefined ? undefined : readRequest(unpacked);
    if (unpacked === undefined || request === undefined || request.command === '') return undefined;
    return { request, opCode: unpacked.opCode };
  }

  /** Counts it. */
  begin(header: MessageHeader, read: ReadRequest | undefined): Asked | undefined {
    const { counters, rules } = this.#options;
    if (read === undefined) {
      counters.unread++;
      return undefined;
    }
    const { command, database, collection } = read.request;
    const counts = [counters.command(command)];
    if (collection !== '')
      counts.push(counters.collection(database, collection, rules?.collections));
    for (const one of counts) one.begin(header.length);
    const fault = rules?.fault({ command, database, collection });
    return { ...read, fault, counts, beganMs: performance.now() };
  }

  /** It is on its way to a server. */
  expect({ requestId }: MessageHeader, asked: Asked): void {
    if (!asked.request.moreToCome && this.#pending.size < MAX_PENDING && !this.#isLost)
      this.#pending.set(requestId, { asked, isAnswered: false });
  }

  /** It is answered in the server's place. */
  refuse({ counts }: Asked, code: number): void {
    for (const one of counts) one.error(code);
  }

  /** On purpose. */
  refuseByFault(asked: Asked, code: number): void {
    this.#options.counters.refused++;
    this.refuse(asked, code);
  }

  #framingOfReplies(onLost: () => void): Framing {
    return new Framing({ onMessage: (header, view) => this.#onReply(header, view), onLost });
  }

  #onReply(header: MessageHeader, view: View): void {
    const pending = this.#pending.get(header.responseTo);
    if (pending === undefined) return;
    this.#pending.delete(header.responseTo);
    const unpacked = this.#unpack(header, view, MAX_UNPACKED_BYTES);
    const reply = unpacked === undefined ? undefined : readReply(unpacked);
    this.#count(header, pending, reply);
    // Of several answers each answers the one before.
    if (reply?.moreToCome === true)
      this.#pending.set(header.requestId, { ...pending, isAnswered: true });
    const { listener } = this;
    if (listener === undefined) return;
    listener.onReply(pending.asked, reply, unpacked);
    if (this.#pending.size === 0) listener.onQuiet();
  }

  #count(
    { length }: MessageHeader,
    { asked, isAnswered }: Pending,
    reply: MongoReply | undefined,
  ): void {
    if (reply === undefined) this.#options.counters.unread++;
    const ms = isAnswered ? -1 : performance.now() - asked.beganMs;
    for (const one of asked.counts) {
      one.reply(length);
      if (ms >= 0) one.answered(ms);
      if (reply !== undefined && (!reply.isOk || reply.code !== 0)) one.error(reply.code);
    }
  }

  #unpack(header: MessageHeader, view: View, maxBytes: number): Unpacked | undefined {
    const unpacked = unpack(header, view, decompress, maxBytes);
    if (unpacked?.compressor !== undefined) this.#options.counters.compressor(unpacked.compressor);
    return unpacked;
  }

  #tapAnswers(framing: Framing, bytes: Buffer, start: number, end: number): true {
    this.#answers = framing;
    this.#tap(framing, bytes, start, end);
    if (this.#whenBetween !== undefined) this.#tellBetween();
    return true;
  }

  /** What was read is passed to the client when the call is over, and more may have come then. */
  #tellBetween(): void {
    queueMicrotask(() => {
      if (!this.isBetweenAnswers) return;
      const act = this.#whenBetween;
      this.#whenBetween = undefined;
      act?.();
    });
  }

  /** What is wrong with reading must not stop what is read. */
  #tap(framing: Framing, bytes: Buffer, start: number, end: number): true {
    if (this.#isLost) return true;
    try {
      framing.push(bytes, start, end);
    } catch {
      this.lose();
    }
    return true;
  }
}
