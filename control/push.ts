/** Compiles for each proxy scope, keeps the result under its hash, and hears who runs it. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { hashName } from '../src/lib/hash.ts';
import { compile } from '../src/config/compile/index.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import type { KeyOverlay, Pointer, ProxyScope } from '../src/model/snapshot.ts';
import type { BlobStore, Store } from '../src/model/store.ts';
import { policyCompilers } from '../src/presets/control.ts';
import type { Keys } from './keys.ts';
import { listResources } from './resources.ts';

export interface Ack {
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly instance: string;
  readonly atMs: number;
}

export interface ProxyStatus {
  readonly scope: ProxyScope;
  readonly state: 'SYNCED' | 'STALE' | 'ERROR' | 'NOT SENT';
  readonly current: Pointer | undefined;
  readonly acked: Pointer | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly lastSeenMs: number | undefined;
}

export interface Push {
  pointerFor(scope: ProxyScope): Promise<Pointer>;
  acknowledge(scope: ProxyScope, ack: Ack): void;
  status(): Promise<readonly ProxyStatus[]>;
  /** May this proxy read that blob? Its own pointer, or the one before, must name it. */
  mayRead(scope: ProxyScope, name: string): Promise<boolean>;
}

interface Compiled {
  readonly revision: number;
  /** Of the keys that went into it. */
  readonly generation: number;
  readonly jwksUris: readonly string[];
  readonly pointer: Pointer;
}

export function scopeKey(scope: ProxyScope): string {
  return `${scope.type}/${scope.namespace}/${scope.name}`;
}

export interface PushOptions {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly keys: Keys;
}

class Pilot implements Push {
  readonly #options: PushOptions;
  readonly #compiled = new Map<string, Compiled>();
  readonly #before = new Map<string, Pointer>();
  readonly #running = new Map<string, Promise<Pointer>>();
  readonly #scopes = new Map<string, ProxyScope>();
  readonly #acks = new Map<string, Ack>();

  constructor(options: PushOptions) {
    this.#options = options;
  }

  async pointerFor(scope: ProxyScope): Promise<Pointer> {
    const key = scopeKey(scope);
    this.#scopes.set(key, scope);
    const revision = await this.#options.store.revision();
    const known = this.#compiled.get(key);
    const { keys } = this.#options;
    if (known?.revision === revision) {
      await keys.ensure(known.jwksUris);
      if (known.generation === keys.generation) return known.pointer;
    }
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#compile(scope, revision).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  acknowledge(scope: ProxyScope, ack: Ack): void {
    this.#acks.set(scopeKey(scope), ack);
  }

  async status(): Promise<readonly ProxyStatus[]> {
    const list: ProxyStatus[] = [];
    for (const [key, scope] of this.#scopes) {
      const current = await this.pointerFor(scope);
      const ack = this.#acks.get(key);
      list.push({
        scope,
        state: stateOf(current, ack),
        current,
        acked: ack?.pointer,
        diagnostics: ack?.diagnostics ?? [],
        lastSeenMs: ack?.atMs,
      });
    }
    return list;
  }

  async mayRead(scope: ProxyScope, name: string): Promise<boolean> {
    const pointers = [await this.pointerFor(scope), this.#before.get(scopeKey(scope))];
    return pointers.some(
      (pointer) => pointer !== undefined && Object.values(pointer).includes(name),
    );
  }

  async #compile(scope: ProxyScope, revision: number): Promise<Pointer> {
    const resources = await listResources(this.#options.store);
    const { named, endpoints, jwksUris } = compile({ resources, scope }, policyCompilers);
    await this.#options.keys.ensure(jwksUris);
    const { generation } = this.#options.keys;
    const sets = Object.fromEntries(
      jwksUris.flatMap((uri) => {
        const set = this.#options.keys.of(uri);
        return set === undefined ? [] : [[uri, set] as const];
      }),
    );
    const keys: KeyOverlay = { version: hashName(canonicalJson({ sets })), sets };
    // Written before any pointer names them.
    await this.#options.blobs.put(named.version, canonicalJson(named));
    await this.#options.blobs.put(endpoints.version, canonicalJson(endpoints));
    await this.#options.blobs.put(keys.version, canonicalJson(keys));
    const pointer: Pointer = {
      snapshot: named.version,
      endpoints: endpoints.version,
      keys: keys.version,
    };
    const key = scopeKey(scope);
    const before = this.#compiled.get(key)?.pointer;
    if (before !== undefined) this.#before.set(key, before);
    this.#compiled.set(key, { revision, pointer, generation, jwksUris });
    return pointer;
  }
}

function stateOf(current: Pointer, ack: Ack | undefined): ProxyStatus['state'] {
  if (ack === undefined) return 'NOT SENT';
  if (!ack.ok) return 'ERROR';
  return canonicalJson(ack.pointer) === canonicalJson(current) ? 'SYNCED' : 'STALE';
}

export function createPush(options: PushOptions): Push {
  return new Pilot(options);
}
