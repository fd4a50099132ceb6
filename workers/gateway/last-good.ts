/** The last configuration that could be linked, in the data centre's cache: an isolate that starts while control is away serves it. */
import { hashName } from '../../src/lib/hash.ts';
import type { PartItem, PartName } from '../../src/model/manifest.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Bundle, BundleHead } from '../../src/delivery/bundle.ts';
import { assembleBundle, partsOf } from '../../src/delivery/bundle.ts';

export interface LastGood {
  read(): Promise<Bundle | undefined>;
  write(bundle: Bundle): Promise<void>;
}

/** The part of the platform's Cache that is used. */
interface CacheLike {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
}

const KEEP_SECONDS = 7 * 24 * 3600;
/** Each swap adds a pack of what is new; then all of it is written as one again. */
const MAX_PACKS = 8;

/** Parts that were written at once: a runtime counts calls, and one swap brings few of thousands of parts. */
interface Pack {
  readonly name: string;
  readonly parts: readonly PartName[];
}

interface Head extends BundleHead {
  readonly packs: readonly Pack[];
}

class CachedLastGood implements LastGood {
  readonly #cache: CacheLike;
  readonly #url: string;
  #packs: readonly Pack[] = [];

  constructor(cache: CacheLike, url: string) {
    this.#cache = cache;
    this.#url = url;
  }

  async read(): Promise<Bundle | undefined> {
    const head = await this.#get<Head>('');
    if (head === undefined) return undefined;
    const parts = new Map<PartName, readonly PartItem[]>();
    for (const pack of head.packs) {
      const found = await this.#get<Record<PartName, readonly PartItem[]>>(`/${pack.name}`);
      for (const [name, items] of Object.entries(found ?? {})) parts.set(name, items);
    }
    if (partsOf(head).some((name) => !parts.has(name))) return undefined;
    this.#packs = head.packs;
    const { packs: _packs, ...rest } = head;
    return assembleBundle(rest, parts, undefined);
  }

  async write(bundle: Bundle): Promise<void> {
    const { pointer, manifest, endpointManifest, keys } = bundle;
    const written = new Set(this.#packs.flatMap(({ parts }) => parts));
    const fresh = [...bundle.parts.keys()].filter((name) => !written.has(name));
    const isFull =
      this.#packs.length >= MAX_PACKS || written.size + fresh.length > 2 * bundle.parts.size;
    const before = fresh.length > 0 && isFull ? [] : this.#packs;
    const names = before === this.#packs ? fresh : [...bundle.parts.keys()];
    const added = names.length === 0 ? [] : [{ name: hashName(names.join()), parts: names }];
    for (const { name, parts } of added)
      await this.#put(
        `/${name}`,
        Object.fromEntries(parts.map((part) => [part, bundle.parts.get(part)])),
      );
    const packs = [...before, ...added];
    await this.#put('', { pointer, manifest, endpointManifest, keys, packs } satisfies Head);
    this.#packs = packs;
  }

  async #get<T>(path: string): Promise<T | undefined> {
    const found = await this.#cache.match(this.#url + path);
    return found === undefined ? undefined : ((await found.json()) as T);
  }

  async #put(path: string, value: unknown): Promise<void> {
    const headers = { 'cache-control': `max-age=${KEEP_SECONDS}` };
    await this.#cache.put(this.#url + path, new Response(JSON.stringify(value), { headers }));
  }
}

/** No host of this name exists: nothing but this worker's cache answers to it. */
export function createCachedLastGood(cache: CacheLike, scope: ProxyScope): LastGood {
  const path = [scope.type, scope.namespace, scope.name].map((part) => encodeURIComponent(part));
  return new CachedLastGood(cache, `https://last-good.lateen.invalid/${path.join('/')}`);
}

export const noLastGood: LastGood = {
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
};
