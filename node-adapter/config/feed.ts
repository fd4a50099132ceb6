/** One scope's way from what the control plane has to what is in force. All that happens to it happens in turn. */
import type { Bundle } from '../../src/delivery/bundle.ts';
import type { ControlClient, Texts } from '../../src/delivery/control-client.ts';
import type { PushMessage } from '../../src/delivery/messages.ts';
import { pointerName } from '../../src/delivery/pointer.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { IssuedToken } from '../../src/model/identity.ts';
import type { SecretBundle } from '../../src/model/secret.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { LinkError } from '../../src/proxy/index.ts';
import type { LastGood } from './last-good.ts';
import type { Apply, PublicKey } from './source.ts';
import { causeOf, keyOfScope, logLine } from './source.ts';

export interface FeedOptions {
  readonly scope: ProxyScope;
  readonly control: ControlClient;
  readonly apply: Apply;
  readonly lastGood: LastGood;
  readonly log: (line: string) => void;
  /** Undefined = the known version is current. */
  readonly fetchSecrets: (known: string | undefined) => Promise<SecretBundle | undefined>;
  readonly onSecrets: (bundle: SecretBundle) => void;
  /** What the control plane wants is in force, with the secrets that were told last. */
  readonly onInForce: () => void;
}

export class ScopeFeed {
  readonly scope: ProxyScope;
  readonly #options: FeedOptions;
  #turn: Promise<unknown> = Promise.resolve();
  /** What is in force or, before anything is, what was on disk: blobs that needn't be sent. */
  #bundle: Bundle | undefined;
  #isRunning = false;
  #refused: { readonly name: string; readonly diagnostics: readonly Diagnostic[] } | undefined;
  #secrets: string | undefined;
  /** Secrets could not be had. */
  #lacksSecrets = false;
  #isStopped = false;

  constructor(options: FeedOptions) {
    this.scope = options.scope;
    this.#options = options;
  }

  get held(): Pointer | undefined {
    return this.#bundle?.pointer;
  }

  get secretsVersion(): string | undefined {
    return this.#secrets;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Nothing is put in force any more: a proxy that drains opens no port. */
  stop(): void {
    this.#isStopped = true;
  }

  /** What was in force last, so that no more than the difference is asked for. */
  async readLastGood(): Promise<void> {
    this.#bundle = await this.#options.lastGood.read(this.scope);
  }

  /** Runs what was in force last, if nothing is yet. */
  fallBack(): Promise<void> {
    return this.#inTurn(() => this.#startFromLastGood());
  }

  /** Why it is refused; nothing = it is in force. @throws Error when it could not be had */
  receive({ pointer, secrets, blobs }: PushMessage): Promise<readonly Diagnostic[]> {
    return this.#inTurn(async () => {
      await this.#takeSecrets(secrets);
      return this.#take(pointer, blobs);
    });
  }

  /** Asks what it should run, over HTTP. @throws Error when nobody answers */
  poll(): Promise<void> {
    return this.#inTurn(async () => {
      const { control } = this.#options;
      const pointer = await control.pointer(this.#isRunning ? this.held : undefined);
      await this.#takeSecrets(undefined);
      if (pointer === undefined) return this.#options.onInForce();
      const diagnostics = await this.#take(pointer, {});
      // What was refused is said with each poll: the last word may be lost, or forgotten.
      await control
        .acknowledge({ pointer, ok: diagnostics.length === 0, diagnostics })
        .catch(() => undefined);
    });
  }

  /** Secrets that could not be had are asked for again. */
  retrySecrets(): Promise<void> {
    return this.#lacksSecrets
      ? this.#inTurn(async () => {
          await this.#takeSecrets(undefined);
          if (this.#isRunning && this.#refused === undefined) this.#options.onInForce();
        })
      : Promise.resolve();
  }

  issueToken(key: PublicKey): Promise<IssuedToken> {
    return this.#options.control.identityToken(key);
  }

  refreshKeys(uri: string, kid: string): Promise<void> {
    return this.#options.control.refreshKeys(uri, kid);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Before the configuration that names them. Without them it still holds: policies must not wait for a certificate. */
  async #takeSecrets(version: string | undefined): Promise<void> {
    if (version !== undefined && version === this.#secrets) return;
    const { fetchSecrets, onSecrets, log } = this.#options;
    try {
      const bundle = await fetchSecrets(this.#secrets);
      this.#lacksSecrets = false;
      if (bundle === undefined) return;
      this.#secrets = bundle.version;
      onSecrets(bundle);
    } catch (error) {
      if (!this.#lacksSecrets)
        log(
          logLine('warning', 'secrets could not be fetched; asking again', {
            scope: keyOfScope(this.scope),
            cause: causeOf(error),
          }),
        );
      this.#lacksSecrets = true;
    }
  }

  async #take(pointer: Pointer, sent: Texts): Promise<readonly Diagnostic[]> {
    const diagnostics = await this.#takeOnce(pointer, sent);
    if (diagnostics.length === 0) this.#options.onInForce();
    return diagnostics;
  }

  async #takeOnce(pointer: Pointer, sent: Texts): Promise<readonly Diagnostic[]> {
    const name = pointerName(pointer);
    if (this.#isRunning && this.held !== undefined && pointerName(this.held) === name) return [];
    if (this.#refused?.name === name) return this.#refused.diagnostics;
    const diagnostics = await this.#load(pointer, sent);
    if (diagnostics.length === 0) {
      this.#refused = undefined;
      return diagnostics;
    }
    this.#refused = { name, diagnostics };
    this.#options.log(
      logLine('warning', 'configuration was refused; what was in force stays', {
        scope: keyOfScope(this.scope),
        snapshot: pointer.snapshot,
        cause: diagnostics[0]?.message,
      }),
    );
    await this.#startFromLastGood();
    return diagnostics;
  }

  async #load(pointer: Pointer, sent: Texts): Promise<readonly Diagnostic[]> {
    const { control, lastGood } = this.#options;
    try {
      const bundle = await control.bundle(pointer, this.#bundle, sent);
      // Neither taken nor refused: the control plane is told nothing of it.
      if (this.#isStopped) throw new Error('the proxy ends');
      const diagnostics = await this.#options.apply(this.scope, bundle);
      if (diagnostics.length > 0) return diagnostics;
      this.#bundle = bundle;
      this.#isRunning = true;
      lastGood.write(this.scope, bundle);
      return [];
    } catch (error) {
      // What could not be had is asked for again; what can't be read isn't.
      if (!(error instanceof LinkError)) throw error;
      return [{ code: error.code, level: 'error', message: error.message }];
    }
  }

  async #startFromLastGood(): Promise<void> {
    const bundle = this.#bundle;
    if (this.#isRunning || bundle === undefined) return;
    const { apply, log } = this.#options;
    const fields = { scope: keyOfScope(this.scope), snapshot: bundle.pointer.snapshot };
    const [fault] = await apply(this.scope, bundle);
    if (fault === undefined) {
      this.#isRunning = true;
      log(logLine('warning', 'runs the configuration that was in force last', fields));
      return;
    }
    this.#bundle = undefined;
    log(
      logLine('warning', 'what was in force last can not be run', {
        ...fields,
        cause: fault.message,
      }),
    );
  }
}
