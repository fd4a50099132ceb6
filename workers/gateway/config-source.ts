/**
 * Pulls configuration: a tiny pointer, then immutable blobs by hash.
 * A request uses what is linked; a stale one is refreshed beside it, once for all. Control being away changes nothing.
 */
import type { Host } from '../../src/host/host.ts';
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  Pointer,
  ProxyScope,
} from '../../src/model/snapshot.ts';
import { filters } from '../../src/presets/edge.ts';
import type { LinkedSnapshot } from '../../src/proxy/index.ts';
import { link } from '../../src/proxy/index.ts';

export interface ConfigSourceOptions {
  readonly scope: ProxyScope;
  readonly token: string;
  /** Age from which a snapshot is refreshed in the background. @default 5000 */
  readonly softTtlMs: number;
  /** Age from which a request waits for the refresh, then runs on what there is; 0 = never waits. @default 0 */
  readonly waitTtlMs: number;
  /** Age from which nothing may be served without asking; 0 = serve for ever. @default 0 */
  readonly hardTtlMs: number;
  readonly instance: string;
  /** Fetch towards the control plane. */
  readonly ask: (path: string, init: RequestInit) => Promise<Response>;
}

/** How long a first request waits for configuration. */
const COLD_START_MS = 2000;

export class ConfigSource {
  readonly #options: ConfigSourceOptions;
  #linked: LinkedSnapshot | undefined;
  #checkedMs = 0;
  #etag = '';
  #running: Promise<void> | undefined;
  /** A pointer that couldn't be linked isn't tried again until it changes. */
  #refused = '';

  constructor(options: ConfigSourceOptions) {
    this.#options = options;
  }

  get linked(): LinkedSnapshot | undefined {
    return this.#linked;
  }

  /** What a request runs on; undefined = none was ever had. */
  async current(host: Host): Promise<LinkedSnapshot | undefined> {
    const age = host.clock.nowMs() - this.#checkedMs;
    if (this.#linked !== undefined && age < this.#options.softTtlMs) return this.#linked;
    const refresh = this.#refresh(host);
    const { hardTtlMs, waitTtlMs } = this.#options;
    const isOver = (ttlMs: number): boolean => ttlMs > 0 && age >= ttlMs;
    const mustWait = this.#linked === undefined || isOver(hardTtlMs) || isOver(waitTtlMs);
    if (mustWait) await Promise.race([refresh, host.clock.sleep(COLD_START_MS)]);
    else host.background(refresh);
    const isTooOld = hardTtlMs > 0 && host.clock.nowMs() - this.#checkedMs >= hardTtlMs;
    return isTooOld ? undefined : this.#linked;
  }

  #refresh(host: Host): Promise<void> {
    this.#running ??= this.#pull(host)
      .catch((error: unknown) => {
        host.log(
          JSON.stringify({
            level: 'warning',
            message: 'configuration could not be refreshed',
            cause: error instanceof Error ? error.message : 'unknown',
          }),
        );
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  #path(rest: string): string {
    const { type, namespace, name } = this.#options.scope;
    return `/v1/proxies/${type}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/${rest}`;
  }

  async #ask(
    rest: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#options.token}`, ...init.headers };
    return this.#options.ask(this.#path(rest), { ...init, headers });
  }

  async #pull(host: Host): Promise<void> {
    const response = await this.#ask('pointer', { headers: { 'if-none-match': this.#etag } });
    if (response.status === 304) {
      this.#checkedMs = host.clock.nowMs();
      return;
    }
    if (!response.ok) throw new Error(`control plane answers ${response.status} to pointer`);
    const pointer = (await response.json()) as Pointer;
    const name = JSON.stringify(pointer);
    if (name !== this.#refused) await this.#swap(pointer, name, host);
    this.#etag = response.headers.get('etag') ?? '';
    this.#checkedMs = host.clock.nowMs();
  }

  async #blob<T>(hash: string): Promise<T> {
    const response = await this.#ask(`blobs/${hash}`);
    if (!response.ok) throw new Error(`control plane answers ${response.status} to blob ${hash}`);
    return (await response.json()) as T;
  }

  /** Links beside the old one; what can't be linked is reported, and the old one stays. */
  async #swap(pointer: Pointer, name: string, host: Host): Promise<void> {
    const [named, endpoints, keys] = await Promise.all([
      this.#blob<NamedSnapshot>(pointer.snapshot),
      this.#blob<Omit<EndpointOverlay, 'version'>>(pointer.endpoints),
      this.#blob<Omit<KeyOverlay, 'version'>>(pointer.keys),
    ]);
    let diagnostics: readonly { code: string; level: 'error'; message: string }[] = [];
    try {
      this.#linked = link(
        named,
        { ...endpoints, version: pointer.endpoints },
        { ...keys, version: pointer.keys },
        { host, filters },
      );
    } catch (error) {
      this.#refused = name;
      diagnostics = [
        {
          code: 'LAT0201',
          level: 'error',
          message: error instanceof Error ? error.message : 'unknown fault',
        },
      ];
    }
    const body = JSON.stringify({
      pointer,
      ok: diagnostics.length === 0,
      diagnostics,
      instance: this.#options.instance,
    });
    host.background(
      this.#ask('ack', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      }).then((response) => response.body?.cancel()),
    );
  }
}
