/** One scope's configuration in force, and the engine that decides by it. */
import type { Host } from '../src/host/host.ts';
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

/** What a proxy is given to run. */
export interface Configuration {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  readonly keys: KeyOverlay;
}

export interface PlaneOptions {
  readonly host: Host;
  readonly scope: ProxyScope;
  /** Asks for fresher keys of a set. @default nobody can be asked */
  readonly refreshKeys?: (uri: string) => Promise<void>;
  /** Endpoints that are tried for one carried connection. @default 1 */
  readonly connectAttempts?: number;
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

  constructor({ host, scope, refreshKeys, connectAttempts }: PlaneOptions) {
    this.scope = scope;
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
    });
  }

  /** Undefined = nothing was ever applied. */
  get linked(): LinkedSnapshot | undefined {
    return this.#current.linked;
  }

  /** Puts a configuration in force, whole. @throws LinkError: what was in force stays */
  apply({ named, endpoints, keys }: Configuration): void {
    const linked = this.#linker.link(named, endpoints, keys);
    this.#keys = keys;
    this.#current.swap(linked);
    for (const listener of this.#listeners) listener(linked);
  }

  /** Told of every configuration that comes in force. */
  onApplied(listener: (linked: LinkedSnapshot) => void): void {
    this.#listeners.add(listener);
  }
}
