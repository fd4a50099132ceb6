/**
 * Where a client's messages go. One server is spoken with at a time: who is asked next waits until those before have
 * answered, so that answers keep the order of their requests and never tear each other.
 */
import type { MongoRefusal, MongoRules } from '../../src/model/mongo.ts';
import type {
  Greeting,
  Hello,
  MessageHeader,
  MongoReply,
  MongoRequest,
  Unpacked,
} from '../../src/mongo/index.ts';
import { readGreeting } from '../../src/mongo/index.ts';
import type { CarriedControl } from '../tcp/contract.ts';
import { canDecompress } from './decompress.ts';
import type { Destination, DestinationContext } from './destination.ts';
import { destinationOf, destinationOfConnection, isRefusal, unreachable } from './destination.ts';
import type { Outlet } from './leg.ts';
import { MongoLeg } from './leg.ts';
import type { CursorKey, MongoPins } from './pins.ts';
import type { Asked, MongoSession, ReplyListener } from './session.ts';
import type { MongoCounters } from './stats.ts';

export interface RouterOptions {
  readonly rules: MongoRules;
  readonly control: CarriedControl;
  readonly session: MongoSession;
  readonly pins: MongoPins;
  readonly counters: MongoCounters;
  /** Of the connection. */
  readonly listener: string;
}

export interface RoutedMessage {
  readonly header: MessageHeader;
  /** Undefined = it isn't understood, or not whole. */
  readonly asked: Asked | undefined;
  /** Of its beginning. */
  readonly held: Buffer;
}

/** Where it goes, or what answers it. */
export type Outcome = Outlet | MongoRefusal;

interface Begun {
  readonly said: Hello;
  readonly bytes: Buffer;
}

/** Database of the credentials that a request shows; undefined = it shows none. */
function credentialsOf({ command, database, hello }: MongoRequest): string | undefined {
  if (command === 'saslStart' || command === 'authenticate') return database;
  return hello === undefined || hello.authDatabase === '' ? undefined : hello.authDatabase;
}

export class MongoRouter implements ReplyListener {
  /** The server that the connection leads to anyway. */
  readonly own: Outlet;
  readonly #options: RouterOptions;
  readonly #context: DestinationContext;
  readonly #legs = new Map<string, MongoLeg>();
  #active: string;
  #isFirst = true;
  /** The hello without credentials that the connection began with. */
  #begun: Begun | undefined;
  #told: Greeting | undefined;
  /** Everything goes there from now on. */
  #settled: string | undefined;
  #waiting: (() => void) | undefined;
  #isDeferring = false;
  #isClosed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
    const { control, rules, pins, listener } = options;
    this.own = { send: (bytes, start, end) => control.toServer(bytes, start, end) };
    this.#active = control.cluster;
    this.#context = {
      rules,
      pins,
      listener,
      own: control.cluster,
      clusterOf: (target) => control.clusterOf(target),
    };
  }

  /** Whatever comes goes to one server: nothing of it needs to be read for that. */
  get isSettled(): boolean {
    return this.#settled !== undefined;
  }

  /** Undefined: `later` is told, once. The next message is taken when this one is on its way. */
  take(message: RoutedMessage, later: (outcome: Outcome) => void): Outcome | undefined {
    const { session } = this.#options;
    if (!this.#isDecidable && !session.isAnswered) return this.#wait(message, later);
    const destination = this.#decide(message);
    const goesOn =
      destination === this.#active && (this.isSettled || session.hasRoomFor(message.header));
    if (!goesOn && !session.isAnswered) return this.#wait(message, later);
    if (isRefusal(destination)) return this.#refuse(destination);
    return this.#enter(destination, later);
  }

  /** What was taken is on its way. */
  onSent(): void {
    const { control, session, counters } = this.#options;
    counters.routed(this.#active);
    if (this.#active === this.#context.own || session.isAnswered || this.#isDeferring) return;
    // Its own server would end the connection before the answer of this one is there.
    this.#isDeferring = true;
    control.deferEnd();
  }

  onReply({ request }: Asked, reply: MongoReply | undefined, unpacked: Unpacked | undefined): void {
    if (this.#told === undefined && request.hello !== undefined && unpacked !== undefined)
      this.#told = readGreeting(unpacked);
    if (reply === undefined || this.#settled !== undefined) return;
    const { pins } = this.#options;
    if (request.command === 'getMore') this.#onBatch(request, reply);
    else if (request.command === 'killCursors')
      pins.closeCursor(this.#cursorKey(request, request.cursor));
    else if (reply.cursor !== '')
      pins.openCursor(this.#cursorKey(request, reply.cursor), this.#active);
  }

  onQuiet(): void {
    // What was read is passed to the client when this returns: nothing may go before it.
    queueMicrotask(() => {
      const { session, control } = this.#options;
      if (this.#isClosed || !session.isAnswered) return;
      const isTorn = session.isLost && this.#settled === undefined;
      if (isTorn && this.#active !== this.#context.own) {
        control.abort({ flag: 'UPE', details: 'mongo_decode_error' });
        return;
      }
      if (this.#isDeferring) control.endDeferral();
      this.#isDeferring = false;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = undefined;
    for (const leg of this.#legs.values()) leg.close();
    this.#legs.clear();
  }

  /** What the server answers to the hello must be known before anything behind it can be routed. */
  get #isDecidable(): boolean {
    return this.#isFirst || this.#told !== undefined || this.#settled !== undefined;
  }

  /** The client knows no other address than this one, and all that it may send can be read. */
  get #isFree(): boolean {
    const said = this.#begun?.said;
    const told = this.#told;
    if (said === undefined || told?.isOk !== true) return false;
    if (!told.compression.every((name) => canDecompress(name))) return false;
    return said.loadBalanced || this.#options.rules.directConnection || !told.isMember;
  }

  #wait(message: RoutedMessage, later: (outcome: Outcome) => void): undefined {
    this.#waiting = () => {
      const outcome = this.take(message, later);
      if (outcome !== undefined) later(outcome);
    };
    return undefined;
  }

  /** It may settle the connection, after which everything goes one way. */
  #decide(message: RoutedMessage): Destination {
    if (this.#settled !== undefined) return this.#settled;
    const { asked } = message;
    if (asked === undefined || this.#options.session.isLost) return this.#settle();
    const { request } = asked;
    const credentials = credentialsOf(request);
    if (this.#isFirst) {
      // Whoever shows credentials at once, or doesn't greet, was routed by it before this server was dialled.
      if (request.hello === undefined || credentials !== undefined) return this.#settle();
      this.#begin(request.hello, message);
      return this.#context.own;
    }
    if (!this.#isFree) return this.#settle();
    if (credentials !== undefined) {
      const destination = destinationOfConnection(credentials, this.#context);
      return isRefusal(destination) ? destination : this.#settle(destination);
    }
    return request.hello === undefined ? destinationOf(request, this.#context) : this.#context.own;
  }

  #begin(said: Hello, { header, held }: RoutedMessage): void {
    this.#isFirst = false;
    if (held.length === header.length) this.#begun = { said, bytes: Buffer.from(held) };
  }

  #settle(cluster: string = this.#context.own): string {
    this.#isFirst = false;
    this.#settled = cluster;
    return cluster;
  }

  #enter(cluster: string, later: (outcome: Outcome) => void): Outcome | undefined {
    const leg = this.#legs.get(cluster);
    const outlet = cluster === this.#context.own ? this.own : leg;
    if (outlet !== undefined) {
      this.#active = cluster;
      return outlet;
    }
    this.#open(cluster, later);
    return undefined;
  }

  #open(cluster: string, later: (outcome: Outcome) => void): void {
    const { control, session } = this.#options;
    const leg = new MongoLeg({
      control,
      session,
      cluster,
      hello: this.#begun?.bytes ?? Buffer.alloc(0),
      told: this.#told as Greeting,
      onReady: () => {
        this.#active = cluster;
        later(leg);
      },
      onFailed: (reason) => {
        this.#legs.delete(cluster);
        if (!this.#isClosed) later(this.#refuse(unreachable(cluster, reason)));
      },
      onClosed: (details) => this.#onClosed(cluster, details),
    });
    this.#legs.set(cluster, leg);
    leg.open();
  }

  #refuse(refusal: MongoRefusal): MongoRefusal {
    this.#options.counters.unroutable++;
    return refusal;
  }

  /** A server that nothing was asked of may go; the next request opens another connection. */
  #onClosed(cluster: string, details: string): void {
    const { control, session } = this.#options;
    this.#legs.delete(cluster);
    const isNeeded = cluster === this.#active && !session.isAnswered;
    if (isNeeded || cluster === this.#settled) control.abort({ flag: 'UC', details });
    else if (cluster === this.#active) this.#active = this.#context.own;
  }

  #cursorKey({ database }: MongoRequest, cursor: string): CursorKey {
    return { listener: this.#options.listener, database, cursor };
  }

  #onBatch(request: MongoRequest, reply: MongoReply): void {
    const { pins } = this.#options;
    const key = this.#cursorKey(request, request.cursor);
    const isOver = reply.isOk ? reply.cursor === '' : reply.code === CURSOR_NOT_FOUND;
    if (isOver) pins.closeCursor(key);
    else pins.openCursor(key, this.#active);
  }
}

const CURSOR_NOT_FOUND = 43;
