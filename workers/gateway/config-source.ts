/**
 * Pulls configuration: a tiny pointer, then immutable blobs by hash.
 * A request uses what is linked; a stale one is refreshed beside it, once for all. Control being away changes nothing.
 */
import type { Host } from '../../src/host/host.ts';
import type { EndpointOverlay, KeyOverlay, Pointer } from '../../src/model/snapshot.ts';
import { filters } from '../../src/presets/edge.ts';
import type { LinkedSnapshot, Linker } from '../../src/proxy/index.ts';
import { CurrentSnapshot, LinkError, createLinker } from '../../src/proxy/index.ts';
import type { Bundle } from '../../src/delivery/bundle.ts';
import type { ControlClient } from '../../src/delivery/control-client.ts';
import { KeyRefreshes } from '../../src/delivery/key-refreshes.ts';
import type { LastGood } from './last-good.ts';

export interface ConfigSourceOptions {
  readonly control: ControlClient;
  readonly lastGood: LastGood;
  /** Age from which a snapshot is refreshed in the background. @default 5000 */
  readonly softTtlMs: number;
  /** Age from which a request waits for the refresh, then runs on what there is; 0 = never waits. @default 0 */
  readonly waitTtlMs: number;
  /** Age from which nothing may be served without asking; 0 = serve for ever. @default 0 */
  readonly hardTtlMs: number;
  /** Entries of Secrets that policies read, by `namespace/name`. */
  readonly secrets: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Changes endpoints before they are linked. */
  readonly adapt?: (bundle: Bundle) => EndpointOverlay;
}

/** How long a request waits for configuration. */
const WAIT_MS = 2000;
/** After a refresh that failed, or that a request waited for in vain, nobody waits and nobody asks for so long. */
const REST_MS = 1000;
/** A refresh that began longer ago belongs to a request that the runtime has ended: it never settles. */
const ABANDONED_MS = 10_000;
type Background = (work: Promise<unknown>) => void;

export class ConfigSource {
  readonly #options: ConfigSourceOptions;
  readonly #current = new CurrentSnapshot();
  #linker: Linker | undefined;
  /** Of the latest request: the filters outlive the one that they were linked in. */
  #background: Background = () => undefined;
  #bundle: Bundle | undefined;
  #keys: KeyOverlay = { version: '', sets: {} };
  #checkedMs = 0;
  #restUntilMs = 0;
  #running: { readonly work: Promise<void>; readonly sinceMs: number } | undefined;
  /** A pointer that couldn't be linked isn't tried again until it changes. */
  #refused = '';
  readonly #keyRefreshes = new KeyRefreshes();

  constructor(options: ConfigSourceOptions) {
    this.#options = options;
  }

  /** What a request runs on; undefined = none was ever had, or it is older than the hard bound. */
  async current(host: Host, background: Background): Promise<LinkedSnapshot | undefined> {
    this.#background = background;
    const nowMs = host.clock.nowMs();
    const age = nowMs - this.#checkedMs;
    if (this.#current.linked !== undefined && age < this.#options.softTtlMs)
      return this.#current.linked;
    const { hardTtlMs, waitTtlMs } = this.#options;
    if (nowMs >= this.#restUntilMs || this.#current.linked === undefined) {
      const refresh = this.#refresh(host, background);
      const isOver = (ttlMs: number): boolean => ttlMs > 0 && age >= ttlMs;
      if (this.#current.linked === undefined || isOver(hardTtlMs) || isOver(waitTtlMs)) {
        await Promise.race([refresh, host.clock.sleep(WAIT_MS)]);
        if (this.#checkedMs < nowMs) this.#restUntilMs = host.clock.nowMs() + REST_MS;
      }
    }
    const isTooOld = hardTtlMs > 0 && host.clock.nowMs() - this.#checkedMs >= hardTtlMs;
    if (isTooOld) return undefined;
    if (this.#current.linked === undefined) await this.#startFromLastGood(host);
    return this.#current.linked;
  }

  #refresh(host: Host, background: Background): Promise<void> {
    const nowMs = host.clock.nowMs();
    if (this.#running !== undefined && nowMs - this.#running.sinceMs < ABANDONED_MS)
      return this.#running.work;
    const work = this.#pull(host, background)
      .catch((error: unknown) => {
        this.#restUntilMs = host.clock.nowMs() + REST_MS;
        host.log(
          JSON.stringify({
            level: 'warning',
            message: 'configuration could not be refreshed',
            cause: error instanceof Error ? error.message : 'unknown',
          }),
        );
      })
      .finally(() => {
        if (this.#running?.work === work) this.#running = undefined;
      });
    this.#running = { work, sinceMs: nowMs };
    background(work);
    return work;
  }

  async #pull(host: Host, background: Background): Promise<void> {
    const { control } = this.#options;
    const pointer = await control.pointer(this.#current.linked?.pointer);
    if (pointer !== undefined) {
      const name = JSON.stringify(pointer);
      if (name !== this.#refused) await this.#swap(pointer, host, background);
    }
    this.#checkedMs = host.clock.nowMs();
  }

  /** Links beside the old one; what can't be linked is reported, and the old one stays. */
  async #swap(pointer: Pointer, host: Host, background: Background): Promise<void> {
    const { control, lastGood } = this.#options;
    let fault: string | undefined;
    try {
      const bundle = await control.bundle(pointer, this.#bundle);
      this.#link(bundle, host);
      this.#refused = '';
      background(lastGood.write(bundle).catch(() => undefined));
    } catch (error) {
      // What couldn't be had is asked for again; what can't be linked isn't.
      if (!(error instanceof LinkError)) throw error;
      this.#refused = JSON.stringify(pointer);
      fault = error.message;
    }
    const diagnostics =
      fault === undefined ? [] : [{ code: 'LAT0201', level: 'error', message: fault } as const];
    background(
      control
        .acknowledge({
          pointer,
          ok: fault === undefined,
          diagnostics,
        })
        .catch(() => undefined),
    );
  }

  #link(bundle: Bundle, host: Host): void {
    const endpoints = this.#options.adapt?.(bundle) ?? bundle.endpoints;
    this.#linker ??= createLinker({
      host,
      filters,
      currentKeys: () => this.#keys,
      refreshKeys: (uri, kid) => this.#refreshKeys(host, uri, kid),
      secret: (name) => this.#options.secrets.get(name),
    });
    const linked = this.#linker.link(bundle.named, endpoints, bundle.keys);
    this.#current.swap(linked);
    this.#bundle = bundle;
    this.#keys = bundle.keys;
  }

  /** Serves what this data centre ran last; it counts as never checked, so the next request asks again. */
  async #startFromLastGood(host: Host): Promise<void> {
    const bundle = await this.#options.lastGood.read().catch(() => undefined);
    if (bundle === undefined || this.#current.linked !== undefined) return;
    try {
      this.#link(bundle, host);
    } catch {
      // Written by another version of this worker: as if there were none.
    }
  }

  /** After an unknown kid: the control plane fetches, then the keys overlay is pulled. */
  #refreshKeys(host: Host, uri: string, kid: string): Promise<void> {
    const background = this.#background;
    return this.#keyRefreshes.ask(uri, {
      clock: host.clock,
      background,
      refresh: async (wanted) => {
        await this.#options.control.refreshKeys(wanted, kid);
        await this.#refresh(host, background);
      },
    });
  }
}
