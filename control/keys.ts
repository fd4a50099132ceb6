/** JWKS that policies refer to: fetched here, never by gateways. Stale keys stay in use for a day while their issuer is away. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { hashName } from '../src/lib/hash.ts';
import { ISSUER_PREFIX } from '../src/lib/key-set-name.ts';
import type { Blob } from '../src/model/manifest.ts';
import type { KeyOverlay, KeySet } from '../src/model/snapshot.ts';
import type { TextCache } from '../src/model/store.ts';
import { uriFault } from './key-guard.ts';
import { ageMs, readAnswer, readDiscovery, readKeys } from './key-set.ts';
import { UnknownKids } from '../src/lib/unknown-kids.ts';

/** Where a URL leads that the mesh itself answers. */
export interface MeshEndpoint {
  /** IP, host name, or `binding:NAME`. */
  readonly address: string;
  readonly port: number;
}

/** GET without following redirects. */
export type FetchKeys = (
  url: string,
  init: {
    readonly signal: AbortSignal;
    readonly redirect: 'manual';
    /** In place of what the host of the URL resolves to. */
    readonly endpoint?: MeshEndpoint;
  },
) => Promise<Response>;

/** What the configuration says of key sets. */
export interface KeyUses {
  /** For each fetch: the longest `timeout` of the rules that use this set, at most 30 s. */
  timeoutMs(uri: string): Promise<number>;
  /** First endpoint of the ServiceEntry that has this host and port; undefined = none has, or it has no endpoints. */
  endpointOf(url: URL): Promise<MeshEndpoint | undefined>;
}

export interface KeysOptions {
  readonly fetch: FetchKeys;
  nowMs(): number;
  log(line: string): void;
  /** Keeps what was fetched over a restart: an issuer may be away then. */
  readonly cache: Pick<TextCache, 'get' | 'set'>;
  /** Key sets may be fetched by plain http, and from loopback and private addresses. @default false */
  readonly allowPrivate?: boolean;
  /** @default 5 s for every fetch, and no service of a mesh answers */
  readonly uses?: KeyUses;
}

/** What became of a key set. */
export interface KeyState {
  /** Undefined: it was never had, or is too old to be trusted. */
  readonly fetchedAtMs: number | undefined;
  /** It is older than its issuer allows. */
  readonly isStale: boolean;
  /** Until when it is used. */
  readonly trustedUntilMs: number;
  /** Why the last attempt failed; undefined = it didn't. */
  readonly fault: string | undefined;
  /** One sentence for each key that was left out. */
  readonly dropped: readonly string[];
}

export interface Keys {
  of(uri: string): KeySet | undefined;
  /** Undefined = nobody asked for it yet. */
  stateOf(uri: string): KeyState | undefined;
  /** Fetches what is missing and resolves when that was tried; what is old is fetched beside. */
  ensure(uris: readonly string[]): Promise<void>;
  /** After an unknown kid: fetches again, at most once in 30 s for each set, and for that kid once in 5 min. */
  refresh(uri: string, kid?: string): Promise<void>;
  /** Goes up whenever a set changes, or ends. */
  readonly generation: number;
  /** Told when it went up. */
  onChange(listener: () => void): void;
}

export const FETCH_TIMEOUT_MS = 5000;
/** Of its age: then it is fetched again, before it is old. */
const REFRESH_SHARE = 0.75;
/** Keys that couldn't be renewed for so long are not trusted any more. */
const MAX_STALE_MS = 24 * 60 * 60_000;
/** After a failure nobody asks again for so long; twice as long after each further one. */
const RETRY_MS = 10_000;
const MAX_RETRY_MS = 300_000;
const UNKNOWN_KID_MS = 30_000;
/** Of more the one that was asked for longest ago is forgotten. */
const MAX_SETS = 2000;

const CACHE_PREFIX = 'keys/';
const DISCOVERY_PATH = '/.well-known/openid-configuration';

/** A rule without jwksUri: its issuer says itself where its keys are (OpenID Connect Discovery 1.0, 4). */
function issuerOf(uri: string): string | undefined {
  return uri.startsWith(ISSUER_PREFIX) ? uri.slice(ISSUER_PREFIX.length) : undefined;
}

interface Held {
  /** The same while its keys are: who has it needs no other. */
  readonly set: KeySet;
  readonly fetchedAtMs: number;
  /** Until then it is as its issuer wants it. */
  readonly freshUntilMs: number;
}

interface Entry {
  held: Held | undefined;
  /** From when on it is fetched again. */
  refreshAtMs: number;
  triedMs: number;
  failures: number;
  fault: string | undefined;
  dropped: readonly string[];
  running: Promise<void> | undefined;
  restored: Promise<void> | undefined;
  readonly unknownKids: UnknownKids;
}

class KeyStore implements Keys {
  readonly #options: KeysOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners: (() => void)[] = [];
  generation = 0;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  of(uri: string): KeySet | undefined {
    const held = this.#entries.get(uri)?.held;
    return held !== undefined && this.#isTrusted(held) ? held.set : undefined;
  }

  stateOf(uri: string): KeyState | undefined {
    const entry = this.#entries.get(uri);
    if (entry === undefined) return undefined;
    const { held, fault, dropped } = entry;
    const freshUntilMs = held?.freshUntilMs ?? 0;
    return {
      fetchedAtMs: this.of(uri) === undefined ? undefined : held?.fetchedAtMs,
      isStale: this.#options.nowMs() >= freshUntilMs,
      trustedUntilMs: freshUntilMs + MAX_STALE_MS,
      fault,
      dropped,
    };
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async ensure(uris: readonly string[]): Promise<void> {
    await Promise.all(uris.map((uri) => this.#restore(uri)));
    const missing: Promise<void>[] = [];
    for (const uri of uris) {
      const entry = this.#entry(uri);
      this.#dropExpired(uri, entry);
      const nowMs = this.#options.nowMs();
      if (nowMs < entry.refreshAtMs || !this.#mayTry(entry)) continue;
      const work = this.#once(uri, entry);
      if (entry.held === undefined) missing.push(work);
    }
    await Promise.all(missing);
  }

  async refresh(uri: string, kid = ''): Promise<void> {
    const entry = this.#entry(uri);
    if (entry.running !== undefined) return entry.running;
    const nowMs = this.#options.nowMs();
    const keys = entry.held?.set.keys;
    if (nowMs - entry.triedMs < UNKNOWN_KID_MS || !this.#mayTry(entry)) return;
    if (kid !== '' && entry.unknownKids.has(kid, keys, nowMs)) return;
    await this.#once(uri, entry);
    const now = entry.held?.set.keys;
    if (kid !== '' && now?.some((key) => key['kid'] === kid) !== true)
      entry.unknownKids.add(kid, now, this.#options.nowMs());
  }

  #entry(uri: string): Entry {
    const known = this.#entries.get(uri);
    // Behind all others: what isn't asked for any more comes to the front.
    this.#entries.delete(uri);
    const entry = known ?? {
      held: undefined,
      refreshAtMs: 0,
      triedMs: 0,
      failures: 0,
      fault: undefined,
      dropped: [],
      running: undefined,
      restored: undefined,
      unknownKids: new UnknownKids(),
    };
    this.#entries.set(uri, entry);
    if (this.#entries.size > MAX_SETS) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return entry;
  }

  #isTrusted({ freshUntilMs }: Held): boolean {
    return this.#options.nowMs() < freshUntilMs + MAX_STALE_MS;
  }

  #mayTry({ failures, triedMs }: Entry): boolean {
    if (failures === 0) return true;
    const waitMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 10));
    return this.#options.nowMs() - triedMs >= waitMs;
  }

  /** Proxies are to lose them too. */
  #dropExpired(uri: string, entry: Entry): void {
    if (entry.held === undefined || this.#isTrusted(entry.held)) return;
    entry.held = undefined;
    this.#options.log(
      `keys of ${uri} could not be renewed for a day and are not trusted any more: ${entry.fault ?? 'nobody tried'}`,
    );
    this.#changed();
  }

  #changed(): void {
    this.generation++;
    for (const listener of this.#listeners) listener();
  }

  #restore(uri: string): Promise<void> {
    const entry = this.#entry(uri);
    entry.restored ??= this.#options.cache
      .get(CACHE_PREFIX + uri)
      .then((text) => {
        if (text !== undefined && entry.held === undefined) entry.held = JSON.parse(text) as Held;
        return undefined;
      })
      .catch(() => undefined);
    return entry.restored;
  }

  #once(uri: string, entry: Entry): Promise<void> {
    entry.triedMs = this.#options.nowMs();
    entry.running ??= this.#fetch(uri, entry)
      .then(() => {
        entry.failures = 0;
        entry.fault = undefined;
        return undefined;
      })
      .catch((error: unknown) => {
        entry.failures++;
        entry.fault = error instanceof Error ? error.message : 'unknown fault';
        this.#options.log(`keys of ${uri} could not be fetched: ${entry.fault}`);
      })
      .finally(() => {
        entry.running = undefined;
      });
    return entry.running;
  }

  async #get(uri: string, timeoutMs: number): Promise<{ text: string; ageMs: number }> {
    const { allowPrivate = false, uses, fetch } = this.#options;
    const endpoint = URL.canParse(uri) ? await uses?.endpointOf(new URL(uri)) : undefined;
    // Who answers a binding was chosen by who deployed the control plane.
    const isBound = endpoint?.address.startsWith('binding:') === true;
    const fault = uriFault(uri, allowPrivate || isBound);
    if (fault !== undefined) throw new Error(`${uri} is not fetched: ${fault}`);
    const response = await fetch(uri, {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'manual',
      ...(endpoint === undefined ? {} : { endpoint }),
    });
    const text = await readAnswer(response);
    return { text, ageMs: ageMs(response) };
  }

  async #fetch(uri: string, entry: Entry): Promise<void> {
    const timeoutMs = (await this.#options.uses?.timeoutMs(uri)) ?? FETCH_TIMEOUT_MS;
    const issuer = issuerOf(uri);
    let target = uri;
    if (issuer !== undefined) {
      const { text } = await this.#get(issuer.replace(/\/$/, '') + DISCOVERY_PATH, timeoutMs);
      target = readDiscovery(text, issuer);
    }
    const { text, ageMs: age } = await this.#get(target, timeoutMs);
    const { keys, dropped } = readKeys(text);
    const nowMs = this.#options.nowMs();
    const before = entry.held?.set;
    const isSame = canonicalJson(before?.keys ?? null) === canonicalJson(keys);
    const set = isSame && before !== undefined ? before : { keys, fetchedAtMs: nowMs };
    entry.held = { set, fetchedAtMs: nowMs, freshUntilMs: nowMs + age };
    entry.refreshAtMs = nowMs + age * REFRESH_SHARE;
    entry.dropped = dropped;
    if (!isSame) for (const line of dropped) this.#options.log(`keys of ${uri}: ${line}`);
    await this.#options.cache.set(CACHE_PREFIX + uri, JSON.stringify(entry.held));
    if (!isSame) this.#changed();
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
