/** JWKS that policies refer to: fetched here, never by gateways. Stale keys stay in use while their issuer is away. */
import { parseCidr, linkCidrs } from '../src/lib/cidr.ts';
import type { KeySet } from '../src/model/snapshot.ts';

export interface KeysOptions {
  /** GET without following redirects. */
  fetch(
    url: string,
    init: { readonly signal: AbortSignal; readonly redirect: 'manual' },
  ): Promise<Response>;
  nowMs(): number;
  log(line: string): void;
  /** Key sets on loopback and private addresses may be fetched. @default false */
  readonly allowPrivate?: boolean;
}

export interface Keys {
  of(uri: string): KeySet | undefined;
  /** Fetches what is missing or old; resolves when all were tried. */
  ensure(uris: readonly string[]): Promise<void>;
  /** Goes up whenever a set changes. */
  readonly generation: number;
}

const FETCH_TIMEOUT_MS = 5000;
const MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 100;
const REFRESH_MS = 20 * 60_000;
/** After a failure nobody asks again for so long. */
const RETRY_MS = 10_000;

const isPrivateAddress = linkCidrs([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  '::',
  'fc00::/7',
  'fe80::/10',
]);

/** Undefined = may be fetched; else why not. */
export function uriFault(uri: string, allowPrivate: boolean): string | undefined {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return 'it is no URL';
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `scheme ${url.protocol} is not http or https`;
  if (url.username !== '' || url.password !== '') return 'it carries credentials';
  if (allowPrivate) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const isLocalName =
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host.endsWith('.local') ||
    host.endsWith('.internal');
  const isPrivate = parseCidr(host) !== undefined && isPrivateAddress(host) !== false;
  return isLocalName || isPrivate ? 'its host is private' : undefined;
}

function parseKeys(text: string): KeySet['keys'] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) && keys.length <= MAX_KEYS ? (keys as KeySet['keys']) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads no more than the limit, whatever the answer says of its length. */
async function readLimited(response: Response): Promise<string | undefined> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MAX_BYTES) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

class KeyStore implements Keys {
  readonly #options: KeysOptions;
  readonly #sets = new Map<string, KeySet>();
  readonly #triedMs = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  generation = 0;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  of(uri: string): KeySet | undefined {
    return this.#sets.get(uri);
  }

  async ensure(uris: readonly string[]): Promise<void> {
    const now = this.#options.nowMs();
    const due = uris.filter((uri) => {
      const isFresh = now - (this.#sets.get(uri)?.fetchedAtMs ?? 0) < REFRESH_MS;
      return !isFresh && now - (this.#triedMs.get(uri) ?? 0) >= RETRY_MS;
    });
    await Promise.all(due.map((uri) => this.#once(uri)));
  }

  #once(uri: string): Promise<void> {
    let running = this.#running.get(uri);
    if (running === undefined) {
      this.#triedMs.set(uri, this.#options.nowMs());
      running = this.#fetch(uri)
        .catch((error: unknown) => {
          this.#options.log(
            `keys of ${uri} could not be fetched: ${error instanceof Error ? error.message : 'unknown fault'}`,
          );
        })
        .finally(() => this.#running.delete(uri));
      this.#running.set(uri, running);
    }
    return running;
  }

  async #fetch(uri: string): Promise<void> {
    const fault = uriFault(uri, this.#options.allowPrivate === true);
    if (fault !== undefined) throw new Error(fault);
    const response = await this.#options.fetch(uri, {
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      redirect: 'manual',
    });
    if (response.status !== 200) throw new Error(`answered ${response.status}`);
    const text = await readLimited(response);
    const keys = text === undefined ? undefined : parseKeys(text);
    if (keys === undefined)
      throw new Error(
        `the answer is no key set of at most ${MAX_KEYS} keys and ${MAX_BYTES} bytes`,
      );
    const isSame = JSON.stringify(this.#sets.get(uri)?.keys) === JSON.stringify(keys);
    this.#sets.set(uri, { keys, fetchedAtMs: this.#options.nowMs() });
    if (!isSame) this.generation++;
  }
}

export function createKeys(options: KeysOptions): Keys {
  return new KeyStore(options);
}
