/** All sockets of proxies: tells them after commits what is new for them, and ends those whose token is no longer good. */
import { CLOSE } from '../../src/delivery/messages.ts';
import { pointerOf } from '../../src/delivery/pointer.ts';
import { secretsOf } from '../../src/config/secrets.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { BlobStore, Store } from '../../src/model/store.ts';
import type { TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX } from '../auth.ts';
import type { Inventory } from '../inventory.ts';
import type { Keys } from '../keys.ts';
import type { Push } from '../push.ts';
import type { Instance } from '../registry.ts';
import { scopeKey } from '../registry.ts';
import { differenceOf } from './difference.ts';
import type { SessionServices } from './session.ts';
import { Session } from './session.ts';
import type { Grant, SavedSession, StreamSocket } from './socket.ts';

export interface StreamHub {
  /** A socket whose request was admitted. */
  open(socket: StreamSocket, grant: Grant): void;
  /** A socket that outlived what this process knew of it. */
  restore(socket: StreamSocket, saved: SavedSession): void;
  receive(socket: StreamSocket, text: string): void;
  /** The peer is gone. */
  ended(socket: StreamSocket): void;
  /** Ends what is over, and looks whether keys are due. Called now and then, and when `wakeAt` said. */
  tick(): void;
  /** May this token open another one? */
  hasRoom(tokenId: string): boolean;
  /** Live instances behind sockets. */
  instances(scope: ProxyScope): readonly Instance[];
  /** Ends all of them: the process goes away. */
  close(): void;
}

export interface HubOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly inventory: Inventory;
  readonly keys: Keys;
  readonly push: Push;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
  /** Has `tick` called then; each call replaces the one before. @default nobody does */
  readonly wakeAt?: (atMs: number) => void;
}

/** Commits in a burst are pushed as one: when it was quiet for so long, */
const QUIET_MS = 50;
/** or when the first of them is so old. */
const MAX_WAIT_MS = 500;
const MAX_SOCKETS = 10_000;
const MAX_SOCKETS_OF_TOKEN = 1000;
/** How often keys are looked at whose issuers may have others by now; it wakes a home that sleeps. */
const KEYS_MS = 300_000;
/** So many sockets are served before others may have the thread. */
const AT_ONCE = 16;
const MAX_EVENTS = 1000;

class Hub implements StreamHub {
  readonly #options: HubOptions;
  readonly #services: SessionServices;
  readonly #sessions = new Map<StreamSocket, Session>();
  readonly #byScope = new Map<string, Set<Session>>();
  readonly #scopes = new Map<string, readonly ProxyScope[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sinceMs: number | undefined;
  #isFlushing = false;
  #isStale = false;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#services = this.#createServices(options);
    options.store.onCommit((revision) => {
      if (this.#sessions.size === 0) return;
      void this.#revoke(revision);
      this.#changed();
    });
    options.keys.onChange(() => this.#changed());
  }

  open(socket: StreamSocket, grant: Grant): void {
    const saved = {
      ...grant,
      heardMs: this.#options.nowMs(),
      nonces: 0,
      usesKeys: false,
      subscriptions: [],
    };
    socket.save(saved);
    // The token may have gone since the request was let in.
    this.#scopes.delete(grant.tokenId);
    this.restore(socket, saved);
  }

  restore(socket: StreamSocket, saved: SavedSession): void {
    const session = new Session(socket, this.#services, saved);
    this.#sessions.set(socket, session);
    for (const key of session.keys) this.#index(session, key);
    this.#wakeBy(this.#nextOf(session));
  }

  receive(socket: StreamSocket, text: string): void {
    this.#sessions.get(socket)?.receive(text);
  }

  ended(socket: StreamSocket): void {
    const session = this.#sessions.get(socket);
    if (session === undefined) return;
    session.end();
    this.#sessions.delete(socket);
    for (const key of session.keys) {
      const all = this.#byScope.get(key);
      all?.delete(session);
      if (all?.size === 0) this.#byScope.delete(key);
    }
  }

  tick(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    let next = this.#dueMs;
    let usesKeys = false;
    for (const [socket, session] of this.#sessions) {
      next = Math.min(next, this.#nextOf(session));
      usesKeys ||= session.usesKeys;
      if (session.isOver) this.ended(socket);
    }
    this.#wakeBy(next);
    if (usesKeys) this.#changed();
  }

  hasRoom(tokenId: string): boolean {
    if (this.#sessions.size >= MAX_SOCKETS) return false;
    let count = 0;
    for (const session of this.#sessions.values()) if (session.tokenId === tokenId) count++;
    return count < MAX_SOCKETS_OF_TOKEN;
  }

  instances(scope: ProxyScope): readonly Instance[] {
    const key = scopeKey(scope);
    return [...(this.#byScope.get(key) ?? [])].flatMap((session) => session.instance(key) ?? []);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const [socket, session] of this.#sessions) {
      session.close(CLOSE.restart, 'the control plane goes away');
      this.ended(socket);
    }
  }

  #createServices({ blobs, inventory, push, nowMs, log }: HubOptions): SessionServices {
    return {
      nowMs,
      log,
      scopesOf: (tokenId) => this.#scopesOf(tokenId),
      compiledFor: async (scope) => {
        const compiled = await push.compiledFor(scope);
        if (compiled.jwksUris.length > 0) this.#wakeBy(nowMs() + KEYS_MS);
        return compiled;
      },
      secretsVersion: async ({ secrets }) =>
        secretsOf(secrets, (await inventory.current()).resources).version,
      async difference(compiled, name, room) {
        const pointer = name === undefined ? undefined : pointerOf(name);
        const held =
          pointer === undefined
            ? undefined
            : await push.namesOf(compiled.scope, pointer).catch(() => undefined);
        return differenceOf(compiled, { held, room, read: (blob) => blobs.get(blob) });
      },
      onSubscribed: (session, key) => this.#index(session, key),
      onDue: (atMs) => this.#wakeBy(atMs),
    };
  }

  /** When something has to be looked at again; ends what is over. */
  #nextOf(session: Session): number {
    const nowMs = this.#options.nowMs();
    const next = session.due(nowMs) ?? Number.POSITIVE_INFINITY;
    return session.usesKeys ? Math.min(next, nowMs + KEYS_MS) : next;
  }

  #index(session: Session, key: string): void {
    const all = this.#byScope.get(key) ?? new Set();
    all.add(session);
    this.#byScope.set(key, all);
  }

  async #scopesOf(tokenId: string): Promise<readonly ProxyScope[] | undefined> {
    const known = this.#scopes.get(tokenId);
    if (known !== undefined) return known;
    const found = await this.#options.store.get(TOKEN_PREFIX + tokenId);
    if (found === undefined) return undefined;
    const { scopes = [] } = JSON.parse(found.value) as TokenRecord;
    if (this.#scopes.size >= MAX_SOCKETS) this.#scopes.clear();
    this.#scopes.set(tokenId, scopes);
    return scopes;
  }

  /** A token that is gone takes its sockets along at once, whatever else is being pushed; one that was rotated ends when it says. */
  async #revoke(revision: number): Promise<void> {
    const { events } = await this.#options.store.eventsAfter(revision - 1, MAX_EVENTS);
    const changed = events.filter(({ key }) => key.startsWith(TOKEN_PREFIX));
    const ends = new Map<string, TokenRecord | undefined>();
    for (const { key, value } of changed) {
      const id = key.slice(TOKEN_PREFIX.length);
      this.#scopes.delete(id);
      ends.set(id, value === undefined ? undefined : (JSON.parse(value) as TokenRecord));
    }
    for (const [socket, session] of this.#sessions) {
      if (!ends.has(session.tokenId)) continue;
      const record = ends.get(session.tokenId);
      if (record === undefined) {
        session.close(CLOSE.token, 'the token was revoked');
        this.ended(socket);
      } else {
        session.expireAt(record.expiresMs);
        this.#wakeBy(this.#nextOf(session));
        if (session.isOver) this.ended(socket);
      }
    }
  }

  #changed(): void {
    if (this.#byScope.size === 0) return;
    const nowMs = this.#options.nowMs();
    this.#sinceMs ??= nowMs;
    const waitMs = Math.max(0, Math.min(QUIET_MS, this.#sinceMs + MAX_WAIT_MS - nowMs));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), waitMs);
  }

  #flush(): void {
    this.#sinceMs = undefined;
    this.#isStale = true;
    if (!this.#isFlushing) void this.#offerAll();
  }

  /** One after the other: what compiles must not keep the thread from those who ask. */
  async #offerAll(): Promise<void> {
    this.#isFlushing = true;
    while (this.#isStale) {
      this.#isStale = false;
      let count = 0;
      for (const [socket, session] of this.#sessions) {
        await session.offer();
        if (session.isOver) this.ended(socket);
        if (++count % AT_ONCE === 0)
          await new Promise((wake) => {
            setTimeout(wake, 0);
          });
      }
    }
    this.#isFlushing = false;
  }

  #wakeBy(atMs: number): void {
    if (atMs >= this.#dueMs) return;
    this.#dueMs = atMs;
    this.#options.wakeAt?.(atMs);
  }
}

export function createStreamHub(options: HubOptions): StreamHub {
  return new Hub(options);
}
