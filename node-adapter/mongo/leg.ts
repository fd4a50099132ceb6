/** One more server of a client's connection: greeted with the client's own hello, and used only where it can stand in for the server that the client knows. */
import type { Greeting, MessageHeader, View } from '../../src/mongo/index.ts';
import { Framing, mismatchOf, readGreeting, unpack } from '../../src/mongo/index.ts';
import type { BranchEvents, CarriedBranch, CarriedControl } from '../tcp/contract.ts';
import { decompress } from './decompress.ts';
import type { MongoSession, ReplyTap } from './session.ts';

const GREETING_MS = 10_000;
const MAX_GREETING_BYTES = 65_536;
const SAYS_MORE = 'it answers more than the hello';

/** Where messages of the client go. */
export interface Outlet {
  send(bytes: Buffer, start: number, end: number): void;
}

export interface LegOptions {
  readonly control: CarriedControl;
  readonly session: MongoSession;
  readonly cluster: string;
  /** The message that the client began with. */
  readonly hello: Buffer;
  /** What was answered to it. */
  readonly told: Greeting;
  onReady(): void;
  /** Instead of `onReady`. */
  onFailed(reason: string): void;
  /** It was ready. */
  onClosed(details: string): void;
}

export class MongoLeg implements Outlet, BranchEvents {
  readonly #options: LegOptions;
  readonly #framing: Framing;
  #branch: CarriedBranch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tap: ReplyTap | undefined;
  #greetings = 0;
  #problem: string | undefined;

  constructor(options: LegOptions) {
    this.#options = options;
    this.#framing = new Framing({
      onMessage: (header, view) => this.#onGreeting(header, view),
      onLost: () => {
        this.#problem = 'its answer to the hello is none';
      },
    });
  }

  get isReady(): boolean {
    return this.#tap !== undefined;
  }

  open(): void {
    const { control, cluster } = this.#options;
    this.#timer = setTimeout(() => this.#fail('it doesn’t answer the hello'), GREETING_MS);
    this.#branch = control.branch(cluster, this);
  }

  send(bytes: Buffer, start: number, end: number): void {
    this.#branch?.send(bytes, start, end);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#branch?.close();
  }

  onOpen(): void {
    this.#branch?.sendOwn(this.#options.hello);
  }

  onFailed(details: string): void {
    clearTimeout(this.#timer);
    this.#options.onFailed(details);
  }

  onBytes(bytes: Buffer, start: number, end: number): boolean {
    if (this.#tap !== undefined) return this.#onReply(this.#tap, bytes, start, end);
    this.#framing.push(bytes, start, end);
    if (this.#greetings > 0 && !this.#framing.isBetween) this.#problem ??= SAYS_MORE;
    if (this.#problem !== undefined) this.#fail(this.#problem);
    else if (this.#greetings > 0) this.#becomeReady();
    return false;
  }

  onClosed(details: string): void {
    clearTimeout(this.#timer);
    if (this.isReady) this.#options.onClosed(details);
    else this.#options.onFailed(details);
  }

  #onReply(tap: ReplyTap, bytes: Buffer, start: number, end: number): boolean {
    const { session, control } = this.#options;
    if (session.isLost) return true;
    // Between answers of another server it would tear them.
    const isUnasked = session.isAnswered;
    if (!isUnasked) tap.onBytes(bytes, start, end);
    if (!isUnasked && (!session.isAnswered || tap.isBetween)) return true;
    control.abort({ flag: 'UPE', details: 'mongo_unasked_answer' });
    return false;
  }

  #onGreeting(header: MessageHeader, view: View): void {
    const { told, hello } = this.#options;
    this.#greetings++;
    const unpacked = unpack(header, view, decompress, MAX_GREETING_BYTES);
    const said = unpacked === undefined ? undefined : readGreeting(unpacked);
    if (this.#greetings > 1 || header.responseTo !== hello.readInt32LE(4))
      this.#problem = SAYS_MORE;
    else if (said === undefined) this.#problem = 'its answer to the hello is none';
    else this.#problem = mismatchOf(told, said);
  }

  #becomeReady(): void {
    clearTimeout(this.#timer);
    const { session, control } = this.#options;
    this.#tap = session.createReplyTap(() =>
      control.abort({ flag: 'UPE', details: 'mongo_decode_error' }),
    );
    this.#options.onReady();
  }

  #fail(reason: string): void {
    this.close();
    this.#options.onFailed(reason);
  }
}
