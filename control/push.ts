/** Compiles for each proxy scope and keeps the result under its hash. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { hashName } from '../src/lib/hash.ts';
import { compile } from '../src/config/compile/index.ts';
import type { KeyOverlay, Pointer, ProxyScope } from '../src/model/snapshot.ts';
import type { BlobStore } from '../src/model/store.ts';
import { policyCompilers } from '../src/presets/control.ts';
import type { Inventory } from './inventory.ts';
import type { Keys } from './keys.ts';
import { scopeKey } from './registry.ts';

/** What one proxy should run. */
export interface Compiled {
  readonly scope: ProxyScope;
  readonly revision: number;
  readonly pointer: Pointer;
  /** `Kind namespace/name` of the resources that it was made of. */
  readonly resources: ReadonlySet<string>;
  readonly jwksUris: readonly string[];
  /** Of the keys that went into it. */
  readonly generation: number;
}

export interface Push {
  compiledFor(scope: ProxyScope): Promise<Compiled>;
  /** May this proxy read that blob? Its own pointer, or the one before, must name it. */
  mayRead(scope: ProxyScope, name: string): Promise<boolean>;
}

export interface PushOptions {
  readonly inventory: Inventory;
  readonly blobs: BlobStore;
  readonly keys: Keys;
}

class Pilot implements Push {
  readonly #options: PushOptions;
  readonly #compiled = new Map<string, Compiled>();
  readonly #before = new Map<string, Pointer>();
  readonly #running = new Map<string, Promise<Compiled>>();

  constructor(options: PushOptions) {
    this.#options = options;
  }

  async compiledFor(scope: ProxyScope): Promise<Compiled> {
    const { inventory, keys } = this.#options;
    const key = scopeKey(scope);
    const { revision } = await inventory.current();
    const known = this.#compiled.get(key);
    if (known?.revision === revision) {
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
    const { pointer } = await this.compiledFor(scope);
    return [pointer, this.#before.get(scopeKey(scope))].some(
      (known) => known !== undefined && Object.values(known).includes(name),
    );
  }

  async #compile(scope: ProxyScope): Promise<Compiled> {
    const { inventory, blobs, keys: store } = this.#options;
    const { revision, resources } = await inventory.current();
    const result = compile({ resources, scope }, policyCompilers);
    const { named, endpoints, jwksUris } = result;
    await store.ensure(jwksUris);
    const { generation } = store;
    const sets = Object.fromEntries(
      jwksUris.flatMap((uri) => {
        const set = store.of(uri);
        return set === undefined ? [] : [[uri, set] as const];
      }),
    );
    const keys: KeyOverlay = { version: hashName(canonicalJson({ sets })), sets };
    // Written before any pointer names them.
    await blobs.put(named.version, canonicalJson(named));
    await blobs.put(endpoints.version, canonicalJson(endpoints));
    await blobs.put(keys.version, canonicalJson(keys));
    const pointer: Pointer = {
      snapshot: named.version,
      endpoints: endpoints.version,
      keys: keys.version,
    };
    const compiled: Compiled = {
      scope,
      revision,
      pointer,
      resources: result.resources,
      jwksUris,
      generation,
    };
    await this.#replace(compiled);
    return compiled;
  }

  async #replace(compiled: Compiled): Promise<void> {
    const key = scopeKey(compiled.scope);
    const before = this.#compiled.get(key);
    if (before !== undefined && before.revision > compiled.revision) return;
    this.#compiled.set(key, compiled);
    if (before !== undefined && canonicalJson(before.pointer) !== canonicalJson(compiled.pointer))
      this.#before.set(key, before.pointer);
    const inUse = [...this.#before.values(), ...[...this.#compiled.values()].map((c) => c.pointer)];
    await this.#options.blobs.prune(
      new Set(inUse.flatMap(({ snapshot, endpoints, keys }) => [snapshot, endpoints, keys])),
    );
  }
}

export function createPush(options: PushOptions): Push {
  return new Pilot(options);
}
