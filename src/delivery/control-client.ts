/** What a gateway asks and tells the control plane. Answers are held against their names and shapes: garbage is an error, never configuration. */
import { finish } from '../lib/steps.ts';
import type { Steps } from '../lib/steps.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { IssuedToken } from '../model/identity.ts';
import type { PartItem } from '../model/manifest.ts';
import type { KeyOverlay, Pointer, ProxyScope } from '../model/snapshot.ts';
import type { Bundle, BundleHead } from './bundle.ts';
import { assembleBundle, checkedEndpoints, checkedManifest, partsOf } from './bundle.ts';
import type { Runtime, ScopeName } from './messages.ts';
import { isPointer, isRecord, pointerName } from './pointer.ts';

export interface ControlClientOptions {
  readonly scope: ProxyScope;
  readonly token: string;
  /** Of this isolate, so that the control plane can count who runs what. */
  readonly instance: string;
  /** What it runs in, so that the control plane can say what isn't enforced. */
  readonly runtime: Runtime;
  /** Fetch towards the control plane. */
  readonly ask: (path: string, init: RequestInit) => Promise<Response>;
  /** SHA-256 of a text's UTF-8 in lower-case hex. @default WebCrypto's, off the thread and dear for many small texts */
  readonly digest?: (text: string) => string;
  /** Does what takes long, some of it at a time. @default all at once */
  readonly run?: <T>(steps: Steps<T>) => Promise<T>;
}

export interface Acknowledgement {
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

/** Blobs by name, as they came; nobody has held them against their names yet. */
export type Texts = Readonly<Record<string, string>>;

export interface ControlClient {
  /** Undefined = what this gateway has is current. */
  pointer(known: Pointer | undefined): Promise<Pointer | undefined>;
  /**
   * What stands in `known` already, or in `sent` (texts by name), is not fetched.
   * @throws LinkError for a format that isn't known
   */
  bundle(pointer: Pointer, known: Bundle | undefined, sent?: Texts): Promise<Bundle>;
  acknowledge(ack: Acknowledgement): Promise<void>;
  /** The control plane fetches a key set again, if it may; resolves when it has tried. */
  refreshKeys(uri: string, kid: string): Promise<void>;
  /** A workload identity token for the holder of a key on P-256. @param key its public JWK */
  identityToken(key: Readonly<Record<string, unknown>>): Promise<IssuedToken>;
}

interface Init {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 5000;
const MAX_TOKEN_LENGTH = 8192;
/** The control plane answers at most so many at once. */
const BLOBS_AT_ONCE = 128;
const NOTHING_SENT: Texts = {};

const encoder = new TextEncoder();

/** The same as `hashName`, off the thread. */
async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
  let hex = '';
  for (const byte of digest.subarray(0, 16)) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

function checkedKeys(version: string, value: unknown): KeyOverlay {
  if (!isRecord(value) || !isRecord(value['sets'])) throw new Error(`blob ${version} has no sets`);
  return { version, sets: value['sets'] as KeyOverlay['sets'] };
}

export function etagOf(pointer: Pointer): string {
  return `"${pointerName(pointer)}"`;
}

/** Where a proxy asks for what is its own. */
export function proxyPath({ type, namespace, name }: ScopeName): string {
  return `/v1/proxies/${[type, namespace, name].map((part) => encodeURIComponent(part)).join('/')}`;
}

class HttpControlClient implements ControlClient {
  readonly #options: ControlClientOptions;
  readonly #base: string;

  constructor(options: ControlClientOptions) {
    this.#options = options;
    this.#base = proxyPath(options.scope);
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

  async bundle(
    pointer: Pointer,
    known: Bundle | undefined,
    sent: Texts = NOTHING_SENT,
  ): Promise<Bundle> {
    const head = await this.#head(pointer, known, sent);
    const missing = partsOf(head).filter((name) => known?.parts.has(name) !== true);
    const fetched = new Map<string, readonly PartItem[]>();
    for (const [name, value] of await this.#blobs(missing, sent)) {
      if (!Array.isArray(value)) throw new Error(`blob ${name} is no part of a snapshot`);
      fetched.set(name, value as readonly PartItem[]);
    }
    return assembleBundle(head, fetched, known);
  }

  async acknowledge(ack: Acknowledgement): Promise<void> {
    await this.#post('ack', { ...ack, instance: this.#options.instance });
  }

  async refreshKeys(uri: string, kid: string): Promise<void> {
    await this.#post('keys', { uri, kid });
  }

  async identityToken(key: Readonly<Record<string, unknown>>): Promise<IssuedToken> {
    const response = await this.#askAt('/v1/identity/token', {
      method: 'POST',
      body: JSON.stringify({ key }),
      headers: { 'content-type': 'application/json' },
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`control plane answers ${response.status} to identity/token`);
    }
    const value: unknown = await response.json();
    const { token, expiresMs } = isRecord(value) ? value : {};
    const isToken = typeof token === 'string' && token.length <= MAX_TOKEN_LENGTH;
    if (!isToken || typeof expiresMs !== 'number')
      throw new Error('control plane answers no identity token');
    return { token, expiresMs };
  }

  #ask(rest: string, init?: Init): Promise<Response> {
    return this.#askAt(`${this.#base}/${rest}`, init);
  }

  #askAt(path: string, init: Init = {}): Promise<Response> {
    return this.#options.ask(path, {
      ...init,
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        'x-lateen-runtime': this.#options.runtime,
        ...init.headers,
      },
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

  /** Manifests and keys; those that are known are not asked for. */
  async #head(pointer: Pointer, known: Bundle | undefined, sent: Texts): Promise<BundleHead> {
    const isKnown = (part: keyof Pointer): boolean => known?.pointer[part] === pointer[part];
    const parts = (['snapshot', 'endpoints', 'keys'] as const).filter((part) => !isKnown(part));
    const fetched = await this.#blobs([...new Set(parts.map((part) => pointer[part]))], sent);
    const fresh = (part: keyof Pointer): unknown => fetched.get(pointer[part]);
    return {
      pointer,
      manifest:
        (isKnown('snapshot') ? known : undefined)?.manifest ??
        checkedManifest(pointer.snapshot, fresh('snapshot')),
      endpointManifest:
        (isKnown('endpoints') ? known : undefined)?.endpointManifest ??
        checkedEndpoints(pointer.endpoints, fresh('endpoints')),
      keys: (isKnown('keys') ? known : undefined)?.keys ?? checkedKeys(pointer.keys, fresh('keys')),
    };
  }

  /** Each must be what its name says, whoever sent it. */
  async #blobs(names: readonly string[], sent: Texts): Promise<ReadonlyMap<string, unknown>> {
    const known = names.filter((name) => Object.hasOwn(sent, name));
    const missing = names.filter((name) => !Object.hasOwn(sent, name));
    const works = [
      this.#parsed(
        known,
        known.map((name) => sent[name] ?? ''),
      ),
    ];
    for (let at = 0; at < missing.length; at += BLOBS_AT_ONCE)
      works.push(this.#fetch(missing.slice(at, at + BLOBS_AT_ONCE)));
    return new Map((await Promise.all(works)).flat());
  }

  /** One line for each. */
  async #fetch(names: readonly string[]): Promise<readonly (readonly [string, unknown])[]> {
    const response = await this.#ask('blobs', {
      method: 'POST',
      body: JSON.stringify({ names }),
      headers: { 'content-type': 'application/json' },
    });
    if (!response.ok)
      throw new Error(`control plane answers ${response.status} to blobs ${names[0]}, ...`);
    return this.#parsed(names, await linesOf(response.body));
  }

  async #parsed(
    names: readonly string[],
    texts: readonly string[],
  ): Promise<readonly (readonly [string, unknown])[]> {
    const { digest, run = finishSoon } = this.#options;
    const checked =
      digest === undefined
        ? await Promise.all(names.map((_name, index) => hashOf(texts[index] ?? '')))
        : undefined;
    return run(
      blobSteps(names, texts, (text, index) => checked?.[index] ?? digest?.(text).slice(0, 32)),
    );
  }
}

const finishSoon = async <T>(steps: Steps<T>): Promise<T> => finish(steps);

/** As they come: what may be megabytes isn't decoded in one go. */
async function linesOf(body: ReadableStream<Uint8Array> | null): Promise<readonly string[]> {
  const decoder = new TextDecoder();
  const lines: string[] = [];
  let last = '';
  for await (const chunk of body ?? []) {
    const [first = '', ...more] = decoder.decode(chunk, { stream: true }).split('\n');
    last += first;
    for (const line of more) {
      lines.push(last);
      last = line;
    }
  }
  return [...lines, last + decoder.decode()];
}

function* blobSteps(
  names: readonly string[],
  texts: readonly string[],
  nameOf: (text: string, index: number) => string | undefined,
): Steps<readonly (readonly [string, unknown])[]> {
  const all: (readonly [string, unknown])[] = [];
  for (const [index, name] of names.entries()) {
    const text = texts[index] ?? '';
    if (nameOf(text, index) !== name) throw new Error(`blob ${name} isn't what its name says`);
    all.push([name, JSON.parse(text)]);
    yield;
  }
  return all;
}

export function createControlClient(options: ControlClientOptions): ControlClient {
  return new HttpControlClient(options);
}
