/** Which instances of a proxy are there and what they run: told by their polls and acknowledgements, forgotten with their lease; or as long as their sockets live. */
import type { Runtime } from '../src/delivery/messages.ts';
import { pointerName } from '../src/delivery/pointer.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import type { Pointer, ProxyScope } from '../src/model/snapshot.ts';

export interface Instance {
  readonly id: string;
  /** Undefined = it doesn't say. */
  readonly runtime: Runtime | undefined;
  readonly seenMs: number;
  /** What it said last that it runs. */
  readonly runs: string | undefined;
  /** The pointer that it refused last, with why. */
  readonly refused?: { readonly pointer: string; readonly diagnostics: readonly Diagnostic[] };
}

/** Who asks for a pointer. */
export type Asking = Pick<Instance, 'id' | 'runtime'>;

export interface Acknowledged {
  readonly instance: string;
  readonly runtime: Runtime | undefined;
  readonly pointer: Pointer;
  readonly ok: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Registry {
  /** A proxy asked for its pointer; `runs` is the name of what it has. */
  seen(scope: ProxyScope, asking: Asking, runs: string | undefined): void;
  acknowledge(scope: ProxyScope, ack: Acknowledged): void;
  /** With a live lease, the latest first. */
  instances(scope: ProxyScope): readonly Instance[];
  /** Adds who else knows live instances; what they say of one goes before its polls. */
  addSource(source: (scope: ProxyScope) => readonly Instance[]): void;
  /** Counts a reading of a proxy's secrets. */
  secretsRead(scope: ProxyScope): void;
  /** How often they were read since this control plane started. */
  secretReads(scope: ProxyScope): number;
}

/** An edge isolate asks only while it has traffic, so a lease outlives several of its intervals. */
export const LEASE_MS = 90_000;
const MAX_INSTANCES = 1000;
const MAX_SCOPES = 10_000;

export function scopeKey(scope: Pick<ProxyScope, 'type' | 'namespace' | 'name'>): string {
  return `${scope.type}/${scope.namespace}/${scope.name}`;
}

class Leases implements Registry {
  readonly #nowMs: () => number;
  readonly #scopes = new Map<string, Map<string, Instance>>();
  readonly #sources: ((scope: ProxyScope) => readonly Instance[])[] = [];
  readonly #secretReads = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  seen(scope: ProxyScope, asking: Asking, runs: string | undefined): void {
    const before = this.#of(scope).get(asking.id);
    this.#put(scope, { ...before, ...asking, seenMs: this.#nowMs(), runs });
  }

  acknowledge(scope: ProxyScope, ack: Acknowledged): void {
    const name = pointerName(ack.pointer);
    const before = this.#of(scope).get(ack.instance);
    const { instance: id, runtime } = ack;
    const seenMs = this.#nowMs();
    if (ack.ok) this.#put(scope, { id, runtime, seenMs, runs: name });
    else
      this.#put(scope, {
        id,
        runtime,
        seenMs,
        runs: before?.runs,
        refused: { pointer: name, diagnostics: ack.diagnostics },
      });
  }

  instances(scope: ProxyScope): readonly Instance[] {
    const oldestMs = this.#nowMs() - LEASE_MS;
    const all = this.#of(scope);
    for (const [id, instance] of all) if (instance.seenMs < oldestMs) all.delete(id);
    const live = this.#sources.flatMap((source) => source(scope));
    const ids = new Set(live.map(({ id }) => id));
    const others = [...all.values()].filter(({ id }) => !ids.has(id));
    return [...live, ...others].toSorted((a, b) => b.seenMs - a.seenMs);
  }

  addSource(source: (scope: ProxyScope) => readonly Instance[]): void {
    this.#sources.push(source);
  }

  secretsRead(scope: ProxyScope): void {
    if (this.#secretReads.size >= MAX_SCOPES) this.#secretReads.clear();
    this.#secretReads.set(scopeKey(scope), this.secretReads(scope) + 1);
  }

  secretReads(scope: ProxyScope): number {
    return this.#secretReads.get(scopeKey(scope)) ?? 0;
  }

  #of(scope: ProxyScope): Map<string, Instance> {
    const key = scopeKey(scope);
    let found = this.#scopes.get(key);
    if (found === undefined) {
      if (this.#scopes.size >= MAX_SCOPES) this.#scopes.clear();
      found = new Map();
      this.#scopes.set(key, found);
    }
    return found;
  }

  /** The latest stands last, so the first is the one to forget. */
  #put(scope: ProxyScope, instance: Instance): void {
    const all = this.#of(scope);
    all.delete(instance.id);
    const [oldest] = all.keys();
    if (all.size >= MAX_INSTANCES && oldest !== undefined) all.delete(oldest);
    all.set(instance.id, instance);
  }
}

export function createRegistry(nowMs: () => number): Registry {
  return new Leases(nowMs);
}
