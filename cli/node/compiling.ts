/** What a process that carries traffic asks of who compiles for it. */
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { EndpointManifest, Manifest, PartItem } from '../../src/model/manifest.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';

/** As plain data. */
export interface CompiledScope {
  /** Versions, and what they stand for: parts are asked for by name, those that are known aren't. */
  readonly snapshot: string;
  readonly manifest: Manifest;
  readonly endpoints: string;
  readonly endpointManifest: EndpointManifest;
  readonly jwksUris: readonly string[];
  readonly secrets: Readonly<Record<string, SecretMaterial>>;
  /** With their places. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface CompiledFiles {
  /** Why nothing could be read at all. */
  readonly unreadable?: string;
  /** What reading them found; with an error among it nothing was compiled. */
  readonly found: readonly Diagnostic[];
  /** In the order of the scopes; none when there are no resources. */
  readonly scopes: readonly CompiledScope[];
}

export interface Compiling {
  compile(paths: readonly string[], scopes: readonly ProxyScope[]): Promise<CompiledFiles>;
  /** Of what was compiled last. */
  part(name: string): Promise<readonly PartItem[]>;
  /** All was asked for, until something changes. */
  rest(): void;
  stop(): void;
}
