/**
 * Holds a client's message until it is known what becomes of it: it passes, late or at once, to the connection's own
 * server or to another, or is answered in the server's place. What is not understood passes as it came.
 */
import type { MongoFault, MongoRefusal } from '../../src/model/mongo.ts';
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
import { isRefusal } from './destination.ts';
import type { HeldBudget } from './held.ts';
import { HeldMessage } from './held.ts';
import type { Outlet } from './leg.ts';
import type { MongoRouter, Outcome } from './router.ts';
import type { Asked, MongoSession, ReadRequest } from './session.ts';

export interface GateOptions {
  readonly session: MongoSession;
  readonly control: CarriedControl;
  readonly budget: HeldBudget;
  /** Undefined = everything goes to the connection's own server. */
  readonly router: MongoRouter | undefined;
  onDelay(): void;
}

/** A message whose beginning is here. */
interface Begun {
  readonly header: MessageHeader;
  readonly held: Buffer;
  /** Undefined = it isn't understood. */
  readonly asked: Asked | undefined;
}

export class MongoGate implements FlowWatcher {
  readonly #options: GateOptions;
  readonly #own: Outlet;
  /** The beginning of a message that nothing was decided about. */
  readonly #held: HeldMessage;
  #header: MessageHeader | undefined;
  /** How much of it must be there to decide. */
  #wanted = HEADER_BYTES;
  /** Bytes of a decided message that are still to come. */
  #left = 0;
  /** Undefined = they are dropped. */
  #to: Outlet | undefined;
  #isLost = false;
  #isWaiting = false;
  #timer: NodeJS.Timeout | undefined;
  /** What came behind a message that waits. */
  #behind: Buffer[] = [];

  constructor(options: GateOptions) {
    this.#options = options;
    const { control, router, budget } = options;
    this.#own = router?.own ?? {
      send: (bytes, start, end) => control.toServer(bytes, start, end),
    };
    this.#to = this.#own;
    this.#held = new HeldMessage(budget);
  }

  get isQuiet(): boolean {
    return this.#held.length === 0 && this.#left === 0 && !this.#isWaiting;
  }

  onBytes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isWaiting) {
      this.#behind.push(Buffer.from(bytes.subarray(start, end)));
      return false;
    }
    const isOwn = this.#to === this.#own;
    if (this.#isLost && isOwn) return true;
    if (this.#left >= end - start && isOwn) {
      this.#left -= end - start;
      return true;
    }
    this.#run(bytes, start, end);
    return false;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isWaiting = false;
    this.#behind = [];
    this.#held.clear();
    this.#isLost = true;
    this.#to = this.#own;
    this.#options.router?.close();
  }

  #run(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#isWaiting) {
        this.#behind.push(Buffer.from(bytes.subarray(at, end)));
        return;
      }
      if (this.#isLost) {
        this.#to?.send(bytes, at, end);
        return;
      }
      at = this.#left > 0 ? this.#passRest(bytes, at, end) : this.#gather(bytes, at, end);
    }
  }

  #passRest(bytes: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    this.#to?.send(bytes, at, stop);
    this.#left -= stop - at;
    return stop;
  }

  /** Until enough is there to decide. */
  #gather(bytes: Buffer, at: number, end: number): number {
    const held = this.#held;
    const stop = Math.min(end, at + this.#wanted - held.length);
    if (!held.add(bytes, at, stop)) return this.#overflow(at, end);
    if (isHopeless(held.bytes)) this.#lose();
    else if (held.length >= HEADER_BYTES) this.#onHeld();
    return stop;
  }

  /** There is no room to hold more of it. Where the rest begins. */
  #overflow(at: number, end: number): number {
    if (!this.#isRouted && this.#header !== undefined) {
      this.#decide(this.#header);
      return at;
    }
    this.#options.control.abort({ flag: 'UO', details: 'mongo_overflow' });
    this.close();
    this.#to = undefined;
    return end;
  }

  #onHeld(): void {
    const { bytes } = this.#held;
    if (this.#header === undefined) {
      const header = readHeader(new View(bytes, 0, bytes.length));
      if (header === undefined) {
        this.#lose();
        return;
      }
      this.#header = header;
      this.#wanted = this.#enoughOf(header);
    }
    if (bytes.length >= this.#wanted) this.#decide(this.#header);
  }

  /** How much of a message must be there before it is looked at. */
  #enoughOf(header: MessageHeader): number {
    const { headBytes, compressedBytes } = DEFAULT_FRAMING_LIMITS;
    if (!isKnown(header)) return HEADER_BYTES;
    if (header.opCode !== OP.compressed) return Math.min(header.length, headBytes);
    return this.#isRouted ? header.length : Math.min(header.length, compressedBytes);
  }

  /** Where a message goes depends on what it says. */
  get #isRouted(): boolean {
    return this.#options.router?.isSettled === false;
  }

  #decide(header: MessageHeader): void {
    const { session } = this.#options;
    const read = this.#read(header, this.#held.bytes);
    const isWhole = read?.request.isWhole === true;
    const isAllHere = this.#held.length === header.length;
    if (this.#isRouted && isKnown(header) && !isWhole && !isAllHere) {
      this.#wanted = header.length;
      return;
    }
    const asked = session.begin(header, read);
    const held = this.#take();
    this.#left = header.length - held.length;
    const begun = { header, held, asked };
    const fault = asked?.fault;
    if (asked === undefined || fault === undefined) this.#forward(begun);
    else if (fault.delayMs > 0) this.#delay(fault.delayMs, () => this.#act(begun, asked, fault));
    else this.#act(begun, asked, fault);
  }

  #read(header: MessageHeader, held: Buffer): ReadRequest | undefined {
    const gap = [Math.min(held.length, header.length), header.length] as const;
    const view = new View(held, 0, header.length, gap);
    try {
      return this.#options.session.read(
        header,
        view,
        this.#isRouted ? MAX_MESSAGE_BYTES : undefined,
      );
    } catch {
      return undefined;
    }
  }

  #act(begun: Begun, asked: Asked, { refusal }: MongoFault): void {
    if (refusal === undefined) {
      this.#forward(begun);
      return;
    }
    const { session } = this.#options;
    session.refuseByFault(asked, refusal.code);
    if (asked.request.moreToCome || session.isBetweenAnswers) {
      this.#answer(begun, refusal);
      return;
    }
    this.#wait();
    session.whenBetweenAnswers(() => this.#resume(() => this.#answer(begun, refusal)));
  }

  /** To whoever it is for, perhaps later. */
  #forward(begun: Begun): void {
    const { router } = this.#options;
    if (router === undefined) {
      this.#send(begun, this.#own);
      return;
    }
    const { header, held, asked } = begun;
    const isWhole = asked?.request.isWhole === true;
    const outcome = router.take({ header, held, asked: isWhole ? asked : undefined }, (late) =>
      this.#resume(() => this.#settle(begun, late)),
    );
    if (outcome === undefined) this.#wait();
    else this.#settle(begun, outcome);
  }

  #settle(begun: Begun, outcome: Outcome): void {
    if (!isRefusal(outcome)) {
      this.#send(begun, outcome);
      return;
    }
    const { asked } = begun;
    if (asked === undefined) this.#giveUp();
    else this.#options.session.refuse(asked, outcome.code);
    this.#answer(begun, outcome);
  }

  /** It can't go where it would have to, and nobody knows how to say so. */
  #giveUp(): void {
    this.#options.control.abort({ flag: 'UF', details: 'mongo_unroutable' });
  }

  #send({ header, held, asked }: Begun, to: Outlet): void {
    const { session, router } = this.#options;
    this.#to = to;
    if (asked !== undefined) session.expect(header, asked);
    to.send(held, 0, held.length);
    this.#held.clear();
    router?.onSent();
  }

  #answer({ header, asked }: Begun, refusal: MongoRefusal): void {
    this.#to = undefined;
    this.#held.clear();
    if (asked === undefined || asked.request.moreToCome) return;
    this.#options.control.toClient(Buffer.from(refusalMessage(header, asked.opCode, refusal)));
  }

  /** What comes is no message: it passes from here on. */
  #lose(): void {
    const { session, router } = this.#options;
    const held = this.#take();
    const pass = (outcome: Outcome): void => {
      this.#held.clear();
      if (isRefusal(outcome)) {
        this.#giveUp();
        return;
      }
      this.#isLost = true;
      this.#to = outcome;
      session.lose();
      outcome.send(held, 0, held.length);
    };
    const header = { length: 0, requestId: 0, responseTo: 0, opCode: 0 };
    const outcome =
      router === undefined
        ? this.#own
        : router.take({ header, held, asked: undefined }, (late) => this.#resume(() => pass(late)));
    if (outcome === undefined) this.#wait();
    else pass(outcome);
  }

  #take(): Buffer {
    this.#header = undefined;
    this.#wanted = HEADER_BYTES;
    return this.#held.release();
  }

  #delay(ms: number, act: () => void): void {
    this.#options.onDelay();
    this.#wait();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#resume(act);
    }, ms);
  }

  #wait(): void {
    this.#isWaiting = true;
    this.#options.control.holdClient();
  }

  #resume(act: () => void): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    act();
    const behind = this.#behind;
    this.#behind = [];
    for (const bytes of behind) this.#again(bytes);
    this.#options.control.releaseClient();
  }

  /** What waits behind one that waited may have to wait itself. */
  #again(bytes: Buffer): void {
    if (this.#isWaiting) this.#behind.push(bytes);
    else this.#run(bytes, 0, bytes.length);
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
