/** What a gateway asks and tells the control plane. Answers are held against their shape: garbage is an error, never configuration. */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  Pointer,
  ProxyScope,
} from '../../src/model/snapshot.ts';
import type { Bundle } from './last-good.ts';

export interface ControlClientOptions {
  readonly scope: ProxyScope;
  readonly token: string;
  /** Of this isolate, so that the control plane can count who runs what. */
  readonly instance: string;
  /** Fetch towards the control plane. */
  readonly ask: (path: string, init: RequestInit) => Promise<Response>;
}

export interface Acknowledgement {
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

export interface ControlClient {
  /** Undefined = what this gateway has is current. */
  pointer(known: Pointer | undefined): Promise<Pointer | undefined>;
  /** Parts of `known` that the pointer still names are not fetched again. */
  bundle(pointer: Pointer, known: Bundle | undefined): Promise<Bundle>;
  acknowledge(ack: Acknowledgement): Promise<void>;
  /** The control plane fetches a key set again, if it may; resolves when it has tried. */
  refreshKeys(uri: string): Promise<void>;
}

const TIMEOUT_MS = 5000;
const HASH = /^[0-9a-z]{8,128}$/i;

function isPointer(value: unknown): value is Pointer {
  const pointer = value as Partial<Record<keyof Pointer, unknown>> | null;
  return (
    typeof pointer === 'object' &&
    pointer !== null &&
    [pointer.snapshot, pointer.endpoints, pointer.keys].every(
      (name) => typeof name === 'string' && HASH.test(name),
    )
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function etagOf(pointer: Pointer): string {
  return `"${pointer.snapshot}.${pointer.endpoints}.${pointer.keys}"`;
}

class HttpControlClient implements ControlClient {
  readonly #options: ControlClientOptions;
  readonly #base: string;

  constructor(options: ControlClientOptions) {
    const { type, namespace, name } = options.scope;
    this.#options = options;
    this.#base = `/v1/proxies/${[type, namespace, name].map((part) => encodeURIComponent(part)).join('/')}`;
  }

  async pointer(known: Pointer | undefined): Promise<Pointer | undefined> {
    const headers = {
      'x-lateen-instance': this.#options.instance,
      ...(known === undefined ? {} : { 'if-none-match': etagOf(known) }),
    };
    const response = await this.#ask('pointer', { headers });
    if (response.status === 304) return undefined;
    if (!response.ok) throw new Error(`control plane answers ${response.status} to pointer`);
    const value: unknown = await response.json();
    if (!isPointer(value)) throw new Error('control plane answers no pointer');
    return known !== undefined && etagOf(known) === etagOf(value) ? undefined : value;
  }

  async bundle(pointer: Pointer, known: Bundle | undefined): Promise<Bundle> {
    const [named, endpoints, keys] = await Promise.all([
      known?.named.version === pointer.snapshot ? known.named : this.#snapshot(pointer.snapshot),
      known?.endpoints.version === pointer.endpoints
        ? known.endpoints
        : this.#overlay<EndpointOverlay>(pointer.endpoints, 'clusters'),
      known?.keys.version === pointer.keys
        ? known.keys
        : this.#overlay<KeyOverlay>(pointer.keys, 'sets'),
    ]);
    return { named, endpoints, keys };
  }

  async acknowledge(ack: Acknowledgement): Promise<void> {
    await this.#post('ack', { ...ack, instance: this.#options.instance });
  }

  async refreshKeys(uri: string): Promise<void> {
    await this.#post('keys', { uri });
  }

  #ask(
    rest: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    return this.#options.ask(`${this.#base}/${rest}`, {
      ...init,
      headers: { authorization: `Bearer ${this.#options.token}`, ...init.headers },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    });
  }

  async #post(rest: string, body: unknown): Promise<void> {
    const response = await this.#ask(rest, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    await response.body?.cancel();
  }

  async #blob(hash: string): Promise<Record<string, unknown>> {
    const response = await this.#ask(`blobs/${hash}`);
    if (!response.ok) throw new Error(`control plane answers ${response.status} to blob ${hash}`);
    const value: unknown = await response.json();
    if (!isRecord(value)) throw new Error(`blob ${hash} is no object`);
    return value;
  }

  async #snapshot(hash: string): Promise<NamedSnapshot> {
    const value = await this.#blob(hash);
    if (value['version'] !== hash || !isRecord(value['snapshot']))
      throw new Error(`blob ${hash} is not that snapshot`);
    return value as unknown as NamedSnapshot;
  }

  async #overlay<T>(hash: string, part: string): Promise<T> {
    const value = await this.#blob(hash);
    if (!isRecord(value[part])) throw new Error(`blob ${hash} has no ${part}`);
    return { ...value, version: hash } as T;
  }
}

export function createControlClient(options: ControlClientOptions): ControlClient {
  return new HttpControlClient(options);
}
