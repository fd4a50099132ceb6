/**
 * Configuration from a control plane: pushed over a WebSocket and, while there is none, polled for. Control being away
 * changes nothing that is in force; a proxy that starts meanwhile runs what was in force last.
 */
import type { IssuedToken } from '../../src/model/identity.ts';
import { createControlClient } from '../../src/delivery/control-client.ts';
import { KeyRefreshes } from '../../src/delivery/key-refreshes.ts';
import type { PushMessage } from '../../src/delivery/messages.ts';
import { MAX_INSTANCE, abridged } from '../../src/delivery/messages.ts';
import type { Clock } from '../../src/host/host.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { GivenSecrets } from '../secrets.ts';
import { Slices } from '../slices.ts';
import { ScopeFeed } from './feed.ts';
import type { LastGood } from './last-good.ts';
import { ScopeSecrets } from './scope-secrets.ts';
import { fetchSecrets } from './secrets-client.ts';
import type { Apply, ConfigSource, PublicKey } from './source.ts';
import { causeOf, keyOfScope, logLine, sha256 } from './source.ts';
import type { StreamTiming } from './stream-client.ts';
import { STREAM_TIMING, StreamClient } from './stream-client.ts';

export interface ControlTiming extends StreamTiming {
  /** Between polls while there is no WebSocket, and between tries for secrets that could not be had. @default 5000 */
  readonly pollMs: number;
  /** How long the control plane is waited for before what was in force last is run. @default 3000 */
  readonly lastGoodMs: number;
  /** How long `start` waits for configuration. @default 10,000 */
  readonly readyMs: number;
}

export interface ControlSourceOptions {
  /** Of the control plane, http or https. */
  readonly url: string;
  /** Of role proxy, for all the scopes. */
  readonly token: string;
  readonly scopes: readonly ProxyScope[];
  /** Tells instances of one proxy apart. */
  readonly instance: string;
  readonly apply: Apply;
  readonly secrets: GivenSecrets;
  readonly lastGood: LastGood;
  readonly clock: Clock;
  readonly log: (line: string) => void;
  readonly timing?: Partial<ControlTiming>;
}

const TIMING: ControlTiming = {
  ...STREAM_TIMING,
  pollMs: 5000,
  lastGoodMs: 3000,
  readyMs: 10_000,
};
const NOTHING_CAME_MS = 30_000;

class ControlSource implements ConfigSource {
  readonly #options: ControlSourceOptions;
  readonly #timing: ControlTiming;
  readonly #feeds: ReadonlyMap<string, ScopeFeed>;
  readonly #stream: StreamClient;
  readonly #slices = new Slices();
  readonly #keyRefreshes = new Map<string, KeyRefreshes>();
  readonly #material: ScopeSecrets;
  readonly #timers = new Set<NodeJS.Timeout>();
  #polling: NodeJS.Timeout | undefined;
  #isPolling = false;
  #overdue: NodeJS.Timeout | undefined;
  /** Scopes that the open socket hasn't said anything of. */
  readonly #expected = new Set<string>();
  /** What was logged since the control plane was there last. */
  readonly #said = new Set<string>();
  #isStopped = false;
  #onRunning: () => void = () => undefined;

  constructor(given: ControlSourceOptions) {
    // The end of a long name tells instances apart.
    const options = { ...given, instance: given.instance.slice(-MAX_INSTANCE) };
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#material = new ScopeSecrets(options.secrets);
    this.#feeds = new Map(
      options.scopes.map((scope) => [keyOfScope(scope), this.#createFeed(scope)]),
    );
    const { url, token } = options;
    this.#stream = new StreamClient({
      url,
      token,
      timing: this.#timing,
      random: Math.random,
      onOpen: () => this.#subscribe(),
      onPush: (push) => void this.#receive(push),
      onDown: (cause) => this.#down(cause),
    });
  }

  async start(): Promise<void> {
    await Promise.all([...this.#feeds.values()].map((feed) => feed.readLastGood()));
    if (this.#isStopped) return;
    const running = new Promise<void>((resolve) => {
      this.#onRunning = () => {
        if ([...this.#feeds.values()].every(({ isRunning }) => isRunning)) resolve();
      };
    });
    this.#stream.start();
    this.#polling = setInterval(() => this.#tick(), this.#timing.pollMs);
    this.#later(this.#timing.lastGoodMs, () => void this.#fallBackAll());
    const isOver = new Promise<void>((resolve) => {
      this.#later(this.#timing.readyMs, resolve);
    });
    await Promise.race([running, isOver]);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const feed of this.#feeds.values()) feed.stop();
    this.#stream.stop();
    clearInterval(this.#polling);
    clearTimeout(this.#overdue);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#options.lastGood.settled();
  }

  /** Of the proxy token, which all scopes share. */
  issueToken(key: PublicKey): Promise<IssuedToken> {
    const [feed] = this.#feeds.values();
    return feed === undefined
      ? Promise.reject(new Error('this proxy has no scope'))
      : feed.issueToken(key);
  }

  async refreshKeys(scope: ProxyScope, uri: string, kid: string): Promise<void> {
    const key = keyOfScope(scope);
    const feed = this.#feeds.get(key);
    if (feed === undefined) return;
    const refreshes = this.#keyRefreshes.get(key) ?? new KeyRefreshes();
    this.#keyRefreshes.set(key, refreshes);
    await refreshes.ask(uri, {
      clock: this.#options.clock,
      refresh: async (wanted) => {
        await feed.refreshKeys(wanted, kid);
        await feed.poll();
      },
    });
  }

  #createFeed(scope: ProxyScope): ScopeFeed {
    const { url, token, instance, apply, lastGood, log } = this.#options;
    const ask = (path: string, init: RequestInit): Promise<Response> =>
      fetch(new URL(path, url), init);
    return new ScopeFeed({
      scope,
      control: createControlClient({
        scope,
        token,
        instance,
        runtime: 'node',
        ask,
        digest: sha256,
        run: (steps) => this.#slices.run(steps),
      }),
      apply,
      lastGood,
      log,
      fetchSecrets: (known) => fetchSecrets({ scope, token, ask }, known),
      onSecrets: ({ secrets }) => this.#material.give(keyOfScope(scope), secrets),
      onInForce: () => this.#material.settle(keyOfScope(scope)),
    });
  }

  #subscribe(): void {
    this.#back();
    for (const [key, { scope, held, secretsVersion }] of this.#feeds) {
      const { type, namespace, name } = scope;
      this.#expected.add(key);
      this.#stream.send({
        type: 'subscribe',
        scope: { type, namespace, name },
        instance: this.#options.instance,
        runtime: 'node',
        ...(held === undefined ? {} : { held }),
        ...(secretsVersion === undefined ? {} : { secrets: secretsVersion }),
      });
    }
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => {
      if (this.#expected.size > 0) this.#stream.restart();
    }, NOTHING_CAME_MS);
  }

  async #receive(push: PushMessage): Promise<void> {
    const { scope, nonce, pointer } = push;
    const key = keyOfScope(scope);
    const feed = this.#feeds.get(key);
    if (feed === undefined) return;
    this.#expected.delete(key);
    try {
      const diagnostics = await feed.receive(push);
      const type = diagnostics.length === 0 ? 'ack' : 'nack';
      this.#stream.send({ type, scope, nonce, pointer, diagnostics: abridged(diagnostics) });
      this.#onRunning();
    } catch (error) {
      // What it names could not be had: begin again with what is held.
      this.#say('configuration could not be fetched', causeOf(error));
      this.#stream.restart();
    }
  }

  #down(cause: string): void {
    this.#expected.clear();
    this.#say('no WebSocket to the control plane; polling', cause);
    void this.#poll();
  }

  #tick(): void {
    if (!this.#stream.isOpen) void this.#poll();
    for (const feed of this.#feeds.values()) void feed.retrySecrets();
  }

  async #poll(): Promise<void> {
    if (this.#isPolling || this.#isStopped) return;
    this.#isPolling = true;
    for (const feed of this.#feeds.values())
      try {
        await feed.poll();
      } catch (error) {
        this.#say('control plane can not be reached; what is in force stays', causeOf(error));
        await this.#fallBack(feed);
      }
    this.#isPolling = false;
    this.#onRunning();
  }

  async #fallBack(feed: ScopeFeed): Promise<void> {
    if (feed.isRunning) return;
    try {
      await feed.fallBack();
    } catch (error) {
      this.#say('what was in force last can not be run', causeOf(error));
    }
  }

  async #fallBackAll(): Promise<void> {
    for (const feed of this.#feeds.values()) await this.#fallBack(feed);
    this.#onRunning();
  }

  /** Once, until it is back. */
  #say(message: string, cause: string): void {
    if (this.#said.has(message) || this.#isStopped) return;
    this.#said.add(message);
    this.#options.log(logLine('warning', message, { cause }));
  }

  #back(): void {
    if (this.#said.size > 0) this.#options.log(logLine('info', 'control plane is back'));
    this.#said.clear();
  }

  #later(waitMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, waitMs);
    this.#timers.add(timer);
  }
}

export function createControlSource(options: ControlSourceOptions): ConfigSource {
  return new ControlSource(options);
}
