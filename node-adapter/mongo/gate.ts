/**
 * Holds a client's message until it is known what becomes of it: it passes, late or at once, or is answered in the
 * server's place. What is not understood passes at once.
 */
import type { MongoFault } from '../../src/model/mongo.ts';
import type { MessageHeader } from '../../src/mongo/index.ts';
import {
  DEFAULT_FRAMING_LIMITS,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  OP,
  View,
  readHeader,
  refusalMessage,
} from '../../src/mongo/index.ts';
import type { CarriedControl } from '../tcp/contract.ts';
import type { FlowWatcher } from '../tcp/flow.ts';
import type { Asked, MongoSession } from './session.ts';

const NOTHING = Buffer.alloc(0);

export interface GateOptions {
  readonly session: MongoSession;
  readonly control: CarriedControl;
  onDelay(): void;
}

export class MongoGate implements FlowWatcher {
  readonly #options: GateOptions;
  /** The beginning of a message that nothing was decided about. */
  #held = NOTHING;
  /** Bytes of a decided message that are still to come. */
  #left = 0;
  #drops = false;
  #isLost = false;
  #timer: NodeJS.Timeout | undefined;
  /** What came behind a message that is delayed. */
  #behind: Buffer[] = [];

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get isQuiet(): boolean {
    return this.#held.length === 0 && this.#left === 0 && this.#timer === undefined;
  }

  onBytes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#timer !== undefined) {
      this.#behind.push(Buffer.from(bytes.subarray(start, end)));
      return false;
    }
    if (this.#isLost) return true;
    if (this.#left >= end - start && !this.#drops) {
      this.#left -= end - start;
      return true;
    }
    this.#run(bytes, start, end);
    return false;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#behind = [];
    this.#isLost = true;
  }

  #run(bytes: Buffer, start: number, end: number): void {
    const { control } = this.#options;
    let at = start;
    while (at < end) {
      if (this.#timer !== undefined) {
        this.#behind.push(Buffer.from(bytes.subarray(at, end)));
        return;
      }
      if (this.#isLost) {
        control.toServer(bytes, at, end);
        return;
      }
      at = this.#left > 0 ? this.#passRest(bytes, at, end) : this.#gather(bytes, at, end);
    }
  }

  #passRest(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    if (!this.#drops) this.#options.control.toServer(bytes, at, stop);
    this.#left -= stop - at;
    return stop;
  }

  /** Until enough is there to decide. */
  #gather(bytes: Buffer, at: number, end: number): number {
    const had = this.#held.length;
    const want = this.#wanted(this.#held, 0, had) ?? HEADER_BYTES;
    const first = had >= HEADER_BYTES ? want : HEADER_BYTES;
    const stop = Math.min(end, at + first - had);
    this.#held =
      had === 0
        ? Buffer.from(bytes.subarray(at, stop))
        : Buffer.concat([this.#held, bytes.subarray(at, stop)]);
    const held = this.#held;
    if (isHopeless(held)) {
      this.#lose();
      return stop;
    }
    const enough = this.#wanted(held, 0, held.length);
    if (enough !== undefined && held.length >= enough) this.#decide(held);
    return stop;
  }

  /** How much of the message must be there; undefined = its header isn't yet. */
  #wanted(bytes: Buffer, at: number, end: number): number | undefined {
    const header = readHeader(new View(bytes, at, end - at));
    if (header === undefined) return undefined;
    const { headBytes, compressedBytes } = DEFAULT_FRAMING_LIMITS;
    if (!isKnown(header)) return HEADER_BYTES;
    return Math.min(header.length, header.opCode === OP.compressed ? compressedBytes : headBytes);
  }

  #lose(): void {
    const { control, session } = this.#options;
    const held = this.#held;
    this.#held = NOTHING;
    this.#isLost = true;
    session.lose();
    control.toServer(held, 0, held.length);
  }

  #decide(held: Buffer): void {
    const header = readHeader(new View(held, 0, held.length));
    if (header === undefined) {
      this.#lose();
      return;
    }
    this.#held = NOTHING;
    this.#left = header.length - held.length;
    this.#drops = false;
    const asked = this.#ask(header, held);
    const fault = asked?.fault;
    if (asked === undefined || fault === undefined) {
      this.#options.control.toServer(held, 0, held.length);
      return;
    }
    if (fault.delayMs > 0) this.#delay(fault.delayMs, () => this.#act(header, held, asked, fault));
    else this.#act(header, held, asked, fault);
  }

  #ask(header: MessageHeader, held: Buffer): Asked | undefined {
    const gap = [Math.min(held.length, header.length), header.length] as const;
    try {
      return this.#options.session.onRequest(header, new View(held, 0, header.length, gap));
    } catch {
      return undefined;
    }
  }

  #act(header: MessageHeader, held: Buffer, asked: Asked, { refusal }: MongoFault): void {
    const { control } = this.#options;
    if (refusal === undefined) {
      control.toServer(held, 0, held.length);
      return;
    }
    this.#drops = true;
    if (!asked.request.moreToCome)
      control.toClient(Buffer.from(refusalMessage(header, asked.opCode, refusal)));
  }

  #delay(ms: number, act: () => void): void {
    const { control } = this.#options;
    this.#options.onDelay();
    control.holdClient();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      act();
      const behind = this.#behind;
      this.#behind = [];
      for (const bytes of behind) this.#again(bytes);
      control.releaseClient();
    }, ms);
  }

  /** What waits behind one that is delayed may meet a delay itself. */
  #again(bytes: Buffer): void {
    if (this.#timer === undefined) this.#run(bytes, 0, bytes.length);
    else this.#behind.push(bytes);
  }
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(OP));

const isKnown = ({ opCode }: MessageHeader): boolean => KNOWN.has(opCode);

/** No message begins so: nothing is gained by waiting for more. */
function isHopeless(held: Buffer): boolean {
  if (held.length < 4) return false;
  const length = held.readInt32LE(0);
  return length < HEADER_BYTES || length > MAX_MESSAGE_BYTES;
}
