/** One scope's configuration in force, and the engine that decides by it. */
import type { Host } from '../src/host/host.ts';
import type { Steps } from '../src/lib/steps.ts';
import type {
  KeyOverlay,
  EndpointOverlay,
  NamedSnapshot,
  ProxyScope,
} from '../src/model/snapshot.ts';
import { filters } from '../src/presets/node.ts';
import {
  CurrentSnapshot,
  createConnections,
  createEngine,
  createLinker,
} from '../src/proxy/index.ts';
import type { Connections, Engine, LinkedSnapshot, Linker } from '../src/proxy/index.ts';
import { Slices } from './slices.ts';

/** What a proxy is given to run. */
export interface Configuration {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  readonly keys: KeyOverlay;
}

/** `superseded`: another was given before this one's turn came, or the plane was closed; it never is in force. */
export type Applied = 'applied' | 'superseded';

export interface PlaneOptions {
  readonly host: Host;
  readonly scope: ProxyScope;
  /** Asks for fresher keys of a set. @default nobody can be asked */
  readonly refreshKeys?: (uri: string, kid: string) => Promise<void>;
  /** Entries of Secrets that policies read. @default nobody has any */
  readonly secret?: (name: string) => Readonly<Record<string, string>> | undefined;
  /** Endpoints that are tried for one carried connection. @default 1 */
  readonly connectAttempts?: number;
  /** Of the thread, where others have work for it, too. @default its own */
  readonly slices?: Slices;
}

export class Plane {
  readonly scope: ProxyScope;
  readonly engine: Engine;
  /** Those that aren't read as HTTP. */
  readonly connections: Connections;
  readonly #current = new CurrentSnapshot();
  readonly #linker: Linker;
  #keys: KeyOverlay = { version: '', sets: {} };
  readonly #listeners = new Set<(linked: LinkedSnapshot) => void>();
  readonly #slices: Slices;
  /** How many were given. */
  #given = 0;
  #isClosed = false;

  constructor({ host, scope, refreshKeys, secret, connectAttempts, slices }: PlaneOptions) {
    this.scope = scope;
    this.#slices = slices ?? new Slices();
    this.engine = createEngine({ host });
    this.connections = createConnections({
      host,
      ...(connectAttempts === undefined ? {} : { connectAttempts }),
    });
    this.#linker = createLinker({
      host,
      filters,
      currentKeys: () => this.#keys,
      bridgesGrpcWeb: true,
      ...(refreshKeys === undefined ? {} : { refreshKeys }),
      ...(secret === undefined ? {} : { secret }),
    });
  }

  /** Undefined = nothing was ever applied. */
  get linked(): LinkedSnapshot | undefined {
    return this.#current.linked;
  }

  /**
   * Puts a configuration in force, whole; resolves when it is. It is linked in slices, between which the thread carries
   * traffic on what is in force. Those that are given meanwhile wait, and only the newest of them has its turn: one that
   * was begun is ended, or a stream of changes would keep all of them out.
   * @throws LinkError: what was in force stays
   */
  apply(configuration: Configuration): Promise<Applied> {
    return this.#slices.run(this.#steps(configuration, ++this.#given));
  }

  /** Nothing comes in force any more. */
  close(): void {
    this.#isClosed = true;
  }

  *#steps({ named, endpoints, keys }: Configuration, place: number): Steps<Applied> {
    if (place !== this.#given || this.#isClosed) return 'superseded';
    const linked = yield* this.#linker.steps(named, endpoints, keys);
    if (this.#isClosed) return 'superseded';
    this.#keys = keys;
    this.#current.swap(linked);
    for (const listener of this.#listeners) listener(linked);
    return 'applied';
  }

  /** Told of every configuration that comes in force. */
  onApplied(listener: (linked: LinkedSnapshot) => void): void {
    this.#listeners.add(listener);
  }
}
