/** What one connection's messages say, both ways: operations are begun by a request and ended by its answer. */
import type { MongoFault, MongoRules } from '../../src/model/mongo.ts';
import type { MessageHeader, MongoRequest, Unpacked, View } from '../../src/mongo/index.ts';
import { Framing, readReply, readRequest, unpack } from '../../src/mongo/index.ts';
import type { FlowWatcher } from '../tcp/flow.ts';
import { decompress } from './decompress.ts';
import type { MongoCounters, OperationCounts } from './stats.ts';

interface Pending {
  readonly counts: readonly OperationCounts[];
  /** 0 = it has been answered once, and more answers follow. */
  beganMs: number;
}

/** Of what is unpacked to be read. */
const MAX_UNPACKED_BYTES = 4_194_304;
/** More requests than a client has under way; the rest is counted without its answer. */
const MAX_PENDING = 1024;

/** What a message turned out to ask. */
export interface Asked {
  readonly request: MongoRequest;
  readonly opCode: number;
  readonly fault: MongoFault | undefined;
}

export interface SessionOptions {
  readonly counters: MongoCounters;
  readonly rules: MongoRules | undefined;
  /** Once: what comes is no message. */
  onLost(): void;
}

export class MongoSession {
  readonly #options: SessionOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #fromClient: Framing;
  readonly #fromServer: Framing;
  #isLost = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const onLost = (): void => this.lose();
    this.#fromClient = new Framing({
      onMessage: (header, view) => {
        this.onRequest(header, view);
      },
      onLost,
    });
    this.#fromServer = new Framing({
      onMessage: (header, view) => this.#onReply(header, view),
      onLost,
    });
  }

  readonly clientTap: FlowWatcher = {
    onBytes: (bytes, start, end) => this.#read(this.#fromClient, bytes, start, end),
  };

  readonly serverTap: FlowWatcher = {
    onBytes: (bytes, start, end) => this.#read(this.#fromServer, bytes, start, end),
  };

  /** No operation is under way. */
  get isQuiet(): boolean {
    return (
      !this.#isLost &&
      this.#pending.size === 0 &&
      this.#fromClient.isBetween &&
      this.#fromServer.isBetween
    );
  }

  lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#pending.clear();
    this.#options.counters.lost++;
    this.#options.onLost();
  }

  /** Undefined = nothing is understood of it. */
  onRequest(header: MessageHeader, view: View): Asked | undefined {
    const { counters, rules } = this.#options;
    const unpacked = this.#unpack(header, view);
    const request = unpacked === undefined ? undefined : readRequest(unpacked);
    if (unpacked === undefined || request === undefined || request.command === '') {
      counters.unread++;
      return undefined;
    }
    const { command, database, collection } = request;
    const counts = [counters.command(command)];
    if (collection !== '')
      counts.push(counters.collection(database, collection, rules?.collections));
    for (const one of counts) one.begin(header.length);
    const fault = rules?.fault({ command, database, collection });
    if (!request.moreToCome && this.#pending.size < MAX_PENDING)
      this.#pending.set(header.requestId, { counts, beganMs: performance.now() });
    if (fault?.refusal !== undefined) this.#refused(header, counts, fault.refusal.code);
    return { request, opCode: unpacked.opCode, fault };
  }

  #refused({ requestId }: MessageHeader, counts: readonly OperationCounts[], code: number): void {
    this.#options.counters.refused++;
    for (const one of counts) one.error(code);
    this.#pending.delete(requestId);
  }

  #onReply(header: MessageHeader, view: View): void {
    const pending = this.#pending.get(header.responseTo);
    if (pending === undefined) return;
    this.#pending.delete(header.responseTo);
    const unpacked = this.#unpack(header, view);
    const reply = unpacked === undefined ? undefined : readReply(unpacked);
    if (reply === undefined) this.#options.counters.unread++;
    const ms = pending.beganMs === 0 ? -1 : performance.now() - pending.beganMs;
    for (const one of pending.counts) {
      one.reply(header.length);
      if (ms >= 0) one.answered(ms);
      if (reply !== undefined && (!reply.isOk || reply.code !== 0)) one.error(reply.code);
    }
    // Of several answers each answers the one before.
    if (reply?.moreToCome !== true) return;
    pending.beganMs = 0;
    this.#pending.set(header.requestId, pending);
  }

  #unpack(header: MessageHeader, view: View): Unpacked | undefined {
    const unpacked = unpack(header, view, decompress, MAX_UNPACKED_BYTES);
    if (unpacked?.compressor !== undefined) this.#options.counters.compressor(unpacked.compressor);
    return unpacked;
  }

  /** What is wrong with reading must not stop what is read. */
  #read(framing: Framing, bytes: Buffer, start: number, end: number): true {
    if (this.#isLost) return true;
    try {
      framing.push(bytes, start, end);
    } catch {
      this.lose();
    }
    return true;
  }
}
