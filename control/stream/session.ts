/** One socket of a proxy: what it subscribed to, what it was sent, what it answered. Everything that it causes happens in turn. */
import {
  CLOSE,
  MAX_CLIENT_MESSAGE,
  MAX_SERVER_MESSAGE,
  PING,
  PONG,
  readClientMessage,
} from '../../src/delivery/messages.ts';
import type { Answer, PushMessage, Subscribe } from '../../src/delivery/messages.ts';
import { pointerName } from '../../src/delivery/pointer.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Compiled } from '../push.ts';
import type { Instance } from '../registry.ts';
import { scopeKey } from '../registry.ts';
import type { Difference } from './difference.ts';
import type { SavedSession, SavedSubscription, StreamSocket } from './socket.ts';

export interface SessionServices {
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
  /** Scopes of a token as they are now; undefined = it is no longer good. */
  readonly scopesOf: (tokenId: string) => Promise<readonly ProxyScope[] | undefined>;
  readonly compiledFor: (scope: ProxyScope) => Promise<Compiled>;
  readonly secretsVersion: (compiled: Compiled) => Promise<string>;
  /** What the holder of a pointer lacks, in at most so many characters. */
  readonly difference: (
    compiled: Compiled,
    held: string | undefined,
    room: number,
  ) => Promise<Difference>;
  readonly onSubscribed: (session: Session, key: string) => void;
  /** A push went out that has to be answered by then. */
  readonly onDue: (atMs: number) => void;
}

/** Scopes of one socket: what is kept with it has 16 KB. */
const MAX_SUBSCRIPTIONS = 8;
/** Messages that wait for the ones before. */
const MAX_WAITING = 32;
/** Blobs of one message, before they are quoted. */
const ROOM = 262_144;
/** Bytes that a peer may have left unread; beyond, it is told what there is and fetches it when it likes. */
const MAX_BUFFERED = 262_144;
/** A push is answered within so long, or the socket ends. */
export const ANSWER_MS = 60_000;
/** A socket of which nothing is heard for so long is dead. */
export const SILENT_MS = 90_000;
const KEPT_DIAGNOSTICS = 3;
const KEPT_TEXT = 200;
const MAX_REASON_BYTES = 123;

/** As much as fits beside the socket. */
function kept(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics
    .slice(0, KEPT_DIAGNOSTICS)
    .map(({ code, level, message }) => ({ code, level, message: message.slice(0, KEPT_TEXT) }));
}

export class Session {
  readonly tokenId: string;
  #expiresMs: number | undefined;
  readonly #socket: StreamSocket;
  readonly #services: SessionServices;
  readonly #subscriptions = new Map<string, SavedSubscription>();
  #heardMs: number;
  #nonces: number;
  #usesKeys: boolean;
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(socket: StreamSocket, services: SessionServices, saved: SavedSession) {
    this.#socket = socket;
    this.#services = services;
    this.tokenId = saved.tokenId;
    this.#expiresMs = saved.expiresMs;
    this.#heardMs = saved.heardMs;
    this.#nonces = saved.nonces;
    this.#usesKeys = saved.usesKeys;
    for (const one of saved.subscriptions) this.#subscriptions.set(scopeKey(one.scope), one);
  }

  get keys(): readonly string[] {
    return [...this.#subscriptions.keys()];
  }

  /** The instance behind it, as long as it is alive. */
  instance(key: string): Instance | undefined {
    const found = this.#subscriptions.get(key);
    const seenMs = this.#lastHeardMs();
    if (found === undefined || this.#isOver || this.#services.nowMs() - seenMs > SILENT_MS)
      return undefined;
    const { instance: id, runtime, runs, refused, held } = found;
    // Who refuses what is new goes on with what it had.
    return refused === undefined
      ? { id, runtime, seenMs, runs }
      : { id, runtime, seenMs, runs: runs ?? held, refused };
  }

  receive(text: string): void {
    this.#heardMs = this.#services.nowMs();
    if (text === PING) return this.#pong();
    if (text.length > MAX_CLIENT_MESSAGE)
      return this.close(CLOSE.tooLarge, `a message has at most ${MAX_CLIENT_MESSAGE} characters`);
    if (this.#waiting >= MAX_WAITING)
      return this.close(CLOSE.policy, `more than ${MAX_WAITING} messages wait`);
    this.#waiting++;
    void this.#inTurn(async () => {
      this.#waiting--;
      await this.#handle(text);
    });
  }

  /** Sends what is new, for every scope that has answered what it was sent before. */
  offer(): Promise<void> {
    return this.#inTurn(async () => {
      for (const key of this.keys) await this.#push(key);
    });
  }

  /** Why it has to end, if it has to; else when to ask again. */
  due(nowMs: number): number | undefined {
    const expiresMs = this.#expiresMs ?? Number.POSITIVE_INFINITY;
    if (nowMs >= expiresMs) this.close(CLOSE.token, 'the token has expired');
    if (nowMs - this.#lastHeardMs() > SILENT_MS)
      this.close(CLOSE.timeout, `nothing was heard for ${SILENT_MS / 1000} s`);
    let next = expiresMs;
    for (const { sent } of this.#subscriptions.values()) {
      if (sent === undefined) continue;
      if (nowMs - sent.atMs >= ANSWER_MS)
        this.close(CLOSE.timeout, `a push was not answered for ${ANSWER_MS / 1000} s`);
      next = Math.min(next, sent.atMs + ANSWER_MS);
    }
    return this.#isOver || next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    try {
      this.#socket.close(code, reason.slice(0, MAX_REASON_BYTES));
    } catch {
      // It is closed already.
    }
  }

  /** Its token ends at another time than was known when it opened. */
  expireAt(atMs: number | undefined): void {
    if (this.#expiresMs === atMs) return;
    this.#expiresMs = atMs;
    this.#save();
    if (atMs !== undefined) this.#services.onDue(atMs);
  }

  /** The peer is gone. */
  end(): void {
    this.#isOver = true;
  }

  get usesKeys(): boolean {
    return this.#usesKeys;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Who asks without reading the answers fills no memory. */
  #pong(): void {
    if (this.#socket.buffered() > MAX_BUFFERED + MAX_SERVER_MESSAGE)
      this.close(CLOSE.timeout, 'it does not read what it is sent');
    else this.#send(PONG);
  }

  #lastHeardMs(): number {
    return Math.max(this.#heardMs, this.#socket.pingedMs());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn
      .then(() => (this.#isOver ? undefined : work()))
      .catch((error: unknown) => {
        const cause = error instanceof Error ? error.message : 'unknown fault';
        this.#services.log(`stream of token ${this.tokenId}: ${cause}`);
      });
    return this.#turn;
  }

  async #handle(text: string): Promise<void> {
    const message = readClientMessage(text);
    if (typeof message === 'string') return this.close(CLOSE.policy, message);
    if (message.type === 'subscribe') return this.#subscribe(message);
    this.#answered(message);
    await this.#push(scopeKey(message.scope));
  }

  async #scope(key: string): Promise<ProxyScope | undefined> {
    const scopes = await this.#services.scopesOf(this.tokenId);
    if (scopes === undefined) this.close(CLOSE.token, 'the token is not known any more');
    return scopes?.find((scope) => scopeKey(scope) === key);
  }

  async #subscribe({ scope, instance, runtime, held, secrets }: Subscribe): Promise<void> {
    const key = scopeKey(scope);
    if ((await this.#scope(key)) === undefined)
      return this.close(CLOSE.policy, `the token is for another proxy than ${key}`);
    if (!this.#subscriptions.has(key) && this.#subscriptions.size >= MAX_SUBSCRIPTIONS)
      return this.close(CLOSE.policy, `a socket has at most ${MAX_SUBSCRIPTIONS} scopes`);
    this.#subscriptions.set(key, {
      scope,
      instance,
      ...(runtime === undefined ? {} : { runtime }),
      ...(held === undefined ? {} : { held: pointerName(held) }),
      ...(secrets === undefined ? {} : { secrets }),
    });
    this.#services.onSubscribed(this, key);
    await this.#push(key);
    this.#save();
  }

  #answered({ type, scope, nonce, pointer, diagnostics }: Answer): void {
    const key = scopeKey(scope);
    const found = this.#subscriptions.get(key);
    if (found === undefined) return this.close(CLOSE.policy, `no subscription to ${key}`);
    const { sent, refused: _refused, ...rest } = found;
    // Of a push before the latest subscription.
    if (sent?.nonce !== nonce) return;
    const name = pointerName(pointer);
    if (name !== sent.pointer)
      return this.close(CLOSE.policy, `the push ${nonce} was of another pointer`);
    this.#subscriptions.set(
      key,
      type === 'ack'
        ? { ...rest, held: name, runs: name }
        : { ...rest, refused: { pointer: name, diagnostics: kept(diagnostics) } },
    );
    this.#save();
    if (type === 'nack')
      this.#services.log(`nack from ${key}: ${JSON.stringify(diagnostics).slice(0, 500)}`);
  }

  async #push(key: string): Promise<void> {
    const before = this.#subscriptions.get(key);
    if (before === undefined || before.sent !== undefined || this.#isOver) return;
    const scope = await this.#scope(key);
    if (scope === undefined) return;
    const compiled = await this.#services.compiledFor(scope);
    if (compiled.jwksUris.length > 0) this.#usesKeys = true;
    const secrets = await this.#services.secretsVersion(compiled);
    const name = pointerName(compiled.pointer);
    const settled = before.refused?.pointer ?? before.runs;
    if (settled === name && before.secrets === secrets) return;
    const room = this.#socket.buffered() > MAX_BUFFERED ? 0 : ROOM;
    const difference = await this.#services.difference(compiled, before.held, room);
    // The peer went away meanwhile.
    if (this.#isOver) return;
    const atMs = this.#services.nowMs();
    // Of this socket alone: an answer to a push of another one must not pass for one to this.
    const nonce = `${atMs.toString(36)}.${++this.#nonces}`;
    this.#subscriptions.set(key, { ...before, secrets, sent: { nonce, pointer: name, atMs } });
    this.#save();
    const { pointer } = compiled;
    this.#send(
      textOf({ type: 'push', scope: before.scope, nonce, pointer, secrets, blobs: {} }, difference),
    );
    this.#services.onDue(atMs + ANSWER_MS);
  }

  #save(): void {
    const { tokenId } = this;
    const expiresMs = this.#expiresMs;
    this.#socket.save({
      tokenId,
      ...(expiresMs === undefined ? {} : { expiresMs }),
      heardMs: this.#heardMs,
      nonces: this.#nonces,
      usesKeys: this.#usesKeys,
      subscriptions: [...this.#subscriptions.values()],
    });
  }

  #send(text: string): void {
    if (this.#isOver) return;
    try {
      this.#socket.send(text);
    } catch {
      this.#isOver = true;
    }
  }
}

/** A blob of odd characters may be much longer when it is quoted: then it is fetched. */
function textOf(message: PushMessage, { blobs, more }: Difference): string {
  const text = JSON.stringify({ ...message, blobs, ...(more ? { more } : {}) });
  return text.length * 3 <= MAX_SERVER_MESSAGE
    ? text
    : JSON.stringify({ ...message, more: true } satisfies PushMessage);
}
