/** Compiles for each proxy scope and keeps the result under its hash. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { createCompiler } from '../src/config/compile/index.ts';
import { secretNames } from '../src/config/secrets.ts';
import { blobNames, checkedEndpoints, checkedManifest } from '../src/delivery/bundle.ts';
import { pointerName } from '../src/delivery/pointer.ts';
import type { Blob } from '../src/model/manifest.ts';
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  Pointer,
  ProxyScope,
} from '../src/model/snapshot.ts';
import type { Resource } from '../src/model/api.ts';
import type { BlobStore } from '../src/model/store.ts';
import type { TrustSettings } from '../src/model/trust.ts';
import { policyCompilers } from '../src/presets/control.ts';
import type { Inventory } from './inventory.ts';
import { keysBlob, knownSets } from './keys.ts';
import type { Keys } from './keys.ts';
import { scopeKey } from './registry.ts';

/** What one proxy should run. */
export interface Compiled {
  readonly scope: ProxyScope;
  readonly revision: number;
  readonly pointer: Pointer;
  /** Names of all that the pointer leads to. */
  readonly blobs: ReadonlySet<string>;
  /** `Kind namespace/name` of the resources that it was made of. */
  readonly resources: ReadonlySet<string>;
  readonly jwksUris: readonly string[];
  /** `namespace/name` of the Secrets that it may read. */
  readonly secrets: readonly string[];
  /** Of the keys that went into it. */
  readonly generation: number;
  /** What it was made of besides. */
  readonly inputs: Inputs;
}

interface Inputs {
  readonly resources: readonly Resource[];
  readonly trust: TrustSettings | undefined;
}

export interface Push {
  compiledFor(scope: ProxyScope): Promise<Compiled>;
  /** May this proxy read that blob? Its own pointer, or the one before, must lead to it. */
  mayRead(scope: ProxyScope, name: string): Promise<boolean>;
  /** Names of what a pointer that a proxy had leads to; undefined = nobody knows any more. */
  namesOf(scope: ProxyScope, pointer: Pointer): Promise<ReadonlySet<string> | undefined>;
  /** Whom a proxy with that pointer believes; undefined = nobody, or nobody knows any more. */
  trustAt(scope: ProxyScope, name: string): TrustSettings | undefined;
  /** What such a proxy would be sent, with the keys that are known; nothing is written for it. */
  preview(scope: ProxyScope): Promise<Preview>;
}

export interface Preview {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  readonly keys: KeyOverlay;
}

export interface PushOptions {
  readonly inventory: Inventory;
  readonly blobs: BlobStore;
  readonly keys: Pick<Keys, 'of' | 'ensure' | 'generation'>;
  /** Whom proxies are to believe: the same object as long as it is the same. @default nobody */
  readonly trust?: () => Promise<TrustSettings | undefined>;
}

/** As many as a runtime sends at a time. */
const WRITES_AT_ONCE = 6;

class Pilot implements Push {
  readonly #options: PushOptions;
  readonly #compiler = createCompiler(policyCompilers);
  readonly #compiled = new Map<string, Compiled>();
  readonly #before = new Map<string, Compiled>();
  readonly #running = new Map<string, Promise<Compiled>>();
  /** Names of blobs that are being written for pointers that nobody has yet. */
  readonly #coming = new Set<ReadonlySet<string>>();
  /** What was written, and not dropped since. */
  #stored: ReadonlySet<string> = new Set();

  constructor(options: PushOptions) {
    this.#options = options;
  }

  async compiledFor(scope: ProxyScope): Promise<Compiled> {
    const { keys } = this.#options;
    const key = scopeKey(scope);
    const { revision, inputs } = await this.#inputs();
    const known = this.#compiled.get(key);
    if (known?.inputs.resources === inputs.resources && known.inputs.trust === inputs.trust) {
      await keys.ensure(known.jwksUris);
      if (known.generation === keys.generation) return known;
    }
    // Whoever asks after a commit must not get what began before it.
    const name = `${key}@${revision}.${keys.generation}`;
    let running = this.#running.get(name);
    if (running === undefined) {
      running = this.#compile(scope).finally(() => this.#running.delete(name));
      this.#running.set(name, running);
    }
    return running;
  }

  async mayRead(scope: ProxyScope, name: string): Promise<boolean> {
    const compiled = await this.compiledFor(scope);
    return compiled.blobs.has(name) || this.#before.get(scopeKey(scope))?.blobs.has(name) === true;
  }

  async preview(scope: ProxyScope): Promise<Preview> {
    const { keys } = this.#options;
    const { inputs } = await this.#inputs();
    const { named, endpoints, jwksUris } = this.#compiler.compile({ ...inputs, scope });
    return { named, endpoints, keys: { version: 'preview', sets: knownSets(keys, jwksUris) } };
  }

  async namesOf(scope: ProxyScope, pointer: Pointer): Promise<ReadonlySet<string> | undefined> {
    const known = this.#known(scope, pointerName(pointer));
    if (known !== undefined) return known.blobs;
    const { blobs } = this.#options;
    const [manifest, endpoints] = await Promise.all([
      blobs.get(pointer.snapshot),
      blobs.get(pointer.endpoints),
    ]);
    if (manifest === undefined || endpoints === undefined) return undefined;
    return blobNames(pointer, {
      manifest: checkedManifest(pointer.snapshot, JSON.parse(manifest)),
      endpointManifest: checkedEndpoints(pointer.endpoints, JSON.parse(endpoints)),
    });
  }

  trustAt(scope: ProxyScope, name: string): TrustSettings | undefined {
    return this.#known(scope, name)?.inputs.trust;
  }

  #known(scope: ProxyScope, name: string): Compiled | undefined {
    const key = scopeKey(scope);
    return [this.#compiled.get(key), this.#before.get(key)].find(
      (one) => one !== undefined && pointerName(one.pointer) === name,
    );
  }

  async #inputs(): Promise<{ readonly revision: number; readonly inputs: Inputs }> {
    const { inventory, trust } = this.#options;
    const [{ revision, resources }, believed] = await Promise.all([inventory.current(), trust?.()]);
    return { revision, inputs: { resources, trust: believed } };
  }

  async #compile(scope: ProxyScope): Promise<Compiled> {
    const { keys: store } = this.#options;
    const { revision, inputs } = await this.#inputs();
    const result = this.#compiler.compile({ ...inputs, scope });
    const { named, endpoints, jwksUris } = result;
    await store.ensure(jwksUris);
    const { generation } = store;
    const keys = keysBlob(store, jwksUris);
    const compiled: Compiled = {
      scope,
      revision,
      pointer: { snapshot: named.version, endpoints: endpoints.version, keys: keys.name },
      blobs: new Set([...result.blobs, keys].map(({ name }) => name)),
      resources: result.resources,
      jwksUris,
      secrets: secretNames(named.snapshot),
      generation,
      inputs,
    };
    this.#coming.add(compiled.blobs);
    try {
      // Written before any pointer leads to them.
      await this.#write([...result.blobs, keys]);
      this.#replace(compiled);
    } finally {
      this.#coming.delete(compiled.blobs);
    }
    return compiled;
  }

  /** What is new, then without what nobody needs any more. */
  async #write(blobs: readonly Blob[]): Promise<void> {
    const fresh = blobs.filter(({ name }) => !this.#stored.has(name));
    if (fresh.length === 0) return;
    const { blobs: store } = this.#options;
    for (let at = 0; at < fresh.length; at += WRITES_AT_ONCE)
      await Promise.all(
        fresh.slice(at, at + WRITES_AT_ONCE).map((blob) => store.put(blob.name, blob.text())),
      );
    this.#stored = new Set([...this.#stored, ...fresh.map(({ name }) => name)]);
    const needed = this.#needed();
    this.#stored = new Set([...this.#stored].filter((name) => needed.has(name)));
    await store.prune(needed);
  }

  #needed(): ReadonlySet<string> {
    const needed = new Set<string>();
    const inUse = [...this.#before.values(), ...this.#compiled.values()].map((one) => one.blobs);
    for (const names of [...inUse, ...this.#coming]) for (const name of names) needed.add(name);
    return needed;
  }

  #replace(compiled: Compiled): void {
    const key = scopeKey(compiled.scope);
    const before = this.#compiled.get(key);
    if (before !== undefined && before.revision > compiled.revision) return;
    this.#compiled.set(key, compiled);
    if (before !== undefined && canonicalJson(before.pointer) !== canonicalJson(compiled.pointer))
      this.#before.set(key, before);
  }
}

export function createPush(options: PushOptions): Push {
  return new Pilot(options);
}
