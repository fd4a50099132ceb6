/** JWKS that policies refer to: fetched here, never by gateways. Stale keys stay in use for a day while their issuer is away. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { parseCidr, linkCidrs } from '../src/lib/cidr.ts';
import { hashName } from '../src/lib/hash.ts';
import { ISSUER_PREFIX } from '../src/lib/key-set-name.ts';
import type { Blob } from '../src/model/manifest.ts';
import type { KeyOverlay, KeySet } from '../src/model/snapshot.ts';
import type { TextCache } from '../src/model/store.ts';

export interface KeysOptions {
  /** GET without following redirects. */
  fetch(
    url: string,
    init: { readonly signal: AbortSignal; readonly redirect: 'manual' },
  ): Promise<Response>;
  nowMs(): number;
  log(line: string): void;
  /** Keeps what was fetched over a restart: an issuer may be away then. */
  readonly cache: TextCache;
  /** Key sets on loopback and private addresses may be fetched. @default false */
  readonly allowPrivate?: boolean;
}

export interface Keys {
  of(uri: string): KeySet | undefined;
  /** Fetches what is missing and resolves when that was tried; what is old is fetched beside. */
  ensure(uris: readonly string[]): Promise<void>;
  /** After an unknown kid: fetches again, at most once in 30 s for each set. */
  refresh(uri: string): Promise<void>;
  /** Goes up whenever a set changes. */
  readonly generation: number;
  /** Told when it went up. */
  onChange(listener: () => void): void;
}

const FETCH_TIMEOUT_MS = 5000;
const MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 100;
/** What an answer without max-age counts as. */
const DEFAULT_AGE_MS = 20 * 60_000;
const MIN_AGE_MS = 60_000;
const MAX_AGE_MS = 60 * 60_000;
/** Of its age: then it is fetched again, before it is old. */
const REFRESH_SHARE = 0.75;
/** Keys that couldn't be renewed for so long are not trusted any more. */
const MAX_STALE_MS = 24 * 60 * 60_000;
/** After a failure nobody asks again for so long. */
const RETRY_MS = 10_000;
const UNKNOWN_KID_MS = 30_000;

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
export async function readLimited(response: Response): Promise<string | undefined> {
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

interface Held {
  readonly set: KeySet;
  /** From when on it is fetched again. */
  readonly refreshAtMs: number;
}

/** Cache-Control: max-age, within bounds. */
function ageMs(response: Response): number {
  const seconds = /(?:^|[,\s])max-age=(\d{1,9})/i.exec(
    response.headers.get('cache-control') ?? '',
  )?.[1];
  const age = seconds === undefined ? DEFAULT_AGE_MS : Number(seconds) * 1000;
  return Math.min(MAX_AGE_MS, Math.max(MIN_AGE_MS, age));
}

const CACHE_PREFIX = 'keys/';
const DISCOVERY_PATH = '/.well-known/openid-configuration';

/** A rule without jwksUri: its issuer says itself where its keys are (OpenID Connect Discovery 1.0, 4). */
function issuerOf(uri: string): string | undefined {
  return uri.startsWith(ISSUER_PREFIX) ? uri.slice(ISSUER_PREFIX.length) : undefined;
}

class KeyStore implements Keys {
  readonly #options: KeysOptions;
  readonly #held = new Map<string, Held>();
  readonly #triedMs = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #restored = new Map<string, Promise<void>>();
  readonly #listeners: (() => void)[] = [];
  generation = 0;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  of(uri: string): KeySet | undefined {
    const set = this.#held.get(uri)?.set;
    const isTrusted =
      set !== undefined && this.#options.nowMs() - set.fetchedAtMs < MAX_AGE_MS + MAX_STALE_MS;
    return isTrusted ? set : undefined;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async ensure(uris: readonly string[]): Promise<void> {
    await Promise.all(uris.map((uri) => this.#restore(uri)));
    const nowMs = this.#options.nowMs();
    const due = uris.filter(
      (uri) =>
        nowMs >= (this.#held.get(uri)?.refreshAtMs ?? 0) &&
        nowMs - (this.#triedMs.get(uri) ?? 0) >= RETRY_MS,
    );
    const works = due.map((uri) => ({ uri, work: this.#once(uri) }));
    await Promise.all(works.filter(({ uri }) => !this.#held.has(uri)).map(({ work }) => work));
  }

  async refresh(uri: string): Promise<void> {
    const running = this.#running.get(uri);
    if (running !== undefined) return running;
    const isTooSoon = this.#options.nowMs() - (this.#triedMs.get(uri) ?? 0) < UNKNOWN_KID_MS;
    return isTooSoon ? undefined : this.#once(uri);
  }

  #restore(uri: string): Promise<void> {
    let restored = this.#restored.get(uri);
    if (restored === undefined) {
      restored = this.#options.cache
        .get(CACHE_PREFIX + uri)
        .then((text) => {
          if (text !== undefined && !this.#held.has(uri))
            this.#held.set(uri, { set: JSON.parse(text) as KeySet, refreshAtMs: 0 });
          return undefined;
        })
        .catch(() => undefined);
      this.#restored.set(uri, restored);
    }
    return restored;
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

  async #get(uri: string): Promise<{ readonly text: string; readonly ageMs: number }> {
    const fault = uriFault(uri, this.#options.allowPrivate === true);
    if (fault !== undefined) throw new Error(fault);
    const response = await this.#options.fetch(uri, {
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      redirect: 'manual',
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`answered ${response.status}`);
    }
    const text = await readLimited(response);
    if (text === undefined) throw new Error(`the answer has more than ${MAX_BYTES} bytes`);
    return { text, ageMs: ageMs(response) };
  }

  /** Where the keys of an issuer are: as its discovery document says, which must be the issuer's own. */
  async #discover(issuer: string): Promise<string> {
    const { text } = await this.#get(`${issuer.replace(/\/$/, '')}${DISCOVERY_PATH}`);
    const document = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
    if (document.issuer !== undefined && document.issuer !== issuer)
      throw new Error(
        `its discovery document is of issuer ${JSON.stringify(document.issuer)}, want "${issuer}"`,
      );
    if (typeof document.jwks_uri !== 'string')
      throw new Error('its discovery document names no jwks_uri');
    return document.jwks_uri;
  }

  async #fetch(uri: string): Promise<void> {
    const issuer = issuerOf(uri);
    const { text, ageMs: age } = await this.#get(
      issuer === undefined ? uri : await this.#discover(issuer),
    );
    const keys = parseKeys(text);
    if (keys === undefined) throw new Error(`the answer is no key set of at most ${MAX_KEYS} keys`);
    const nowMs = this.#options.nowMs();
    const isSame = JSON.stringify(this.#held.get(uri)?.set.keys) === JSON.stringify(keys);
    const set: KeySet = { keys, fetchedAtMs: nowMs };
    this.#held.set(uri, { set, refreshAtMs: nowMs + age * REFRESH_SHARE });
    await this.#options.cache.set(CACHE_PREFIX + uri, JSON.stringify(set));
    if (isSame) return;
    this.generation++;
    for (const listener of this.#listeners) listener();
  }
}

export function knownSets(
  store: Pick<Keys, 'of'>,
  jwksUris: readonly string[],
): KeyOverlay['sets'] {
  return Object.fromEntries(
    jwksUris.flatMap((uri) => {
      const set = store.of(uri);
      return set === undefined ? [] : [[uri, set] as const];
    }),
  );
}

/** The overlay that proxies get of these sets. */
export function keysBlob(store: Pick<Keys, 'of'>, jwksUris: readonly string[]): Blob {
  const text = canonicalJson({ sets: knownSets(store, jwksUris) });
  return { name: hashName(text), text: () => text };
}

export function createKeys(options: KeysOptions): Keys {
  return new KeyStore(options);
}
