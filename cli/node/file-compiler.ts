/** Compiles what files say for the scopes of one proxy. Nothing here stays in a process that carries traffic. */
import { createCompiler } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { misplacedSecrets, secretNames, secretsOf } from '../../src/config/secrets.ts';
import { placesOf } from '../../src/config/source-map.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import type { Resource } from '../../src/model/api.ts';
import type { AdmittedResource } from '../../src/model/config.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Blob, EndpointManifest, Manifest, PartItem } from '../../src/model/manifest.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { CommandError } from '../errors.ts';
import { readSources } from '../files.ts';
import type { CompiledFiles, CompiledScope, Compiling } from './compiling.ts';

const nameOf = ({ kind, metadata }: Resource): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

/** One that is kept does again only what a change reaches. */
export class FileCompiler implements Compiling {
  readonly #compiler = createCompiler(policyCompilers);
  /** What compile was given last, so that unchanged resources stay the same objects. */
  #kept: ReadonlyMap<string, { readonly text: string; readonly resource: Resource }> = new Map();
  #blobs = new Map<string, Blob>();

  async compile(paths: readonly string[], scopes: readonly ProxyScope[]): Promise<CompiledFiles> {
    try {
      const { resources, diagnostics } = readConfig(await readSources(paths), { kinds });
      if (diagnostics.some(({ level }) => level === 'error'))
        return { found: diagnostics, scopes: [] };
      this.#keep(resources);
      this.#blobs = new Map();
      const all = [...this.#kept.values()].map(({ resource }) => resource);
      const placeOf = placesOf(resources);
      const compiled = all.length === 0 ? [] : scopes.map((scope) => this.#compile(scope, all));
      const placed = (one: Diagnostic): Diagnostic => {
        const { resource, path = '' } = one;
        const place =
          one.place ?? (resource === undefined ? undefined : placeOf({ resource, path }));
        return place === undefined ? one : { ...one, place };
      };
      return {
        found: diagnostics.map(placed),
        scopes: compiled.map((one) => ({ ...one, diagnostics: one.diagnostics.map(placed) })),
      };
    } catch (error) {
      if (error instanceof CommandError)
        return { unreadable: error.message, found: [], scopes: [] };
      throw error;
    }
  }

  async part(name: string): Promise<readonly PartItem[]> {
    return this.#parsed(name) as readonly PartItem[];
  }

  rest(): void {
    // Who made it lets go of it.
  }

  stop(): void {
    // As above.
  }

  #keep(admitted: readonly AdmittedResource[]): void {
    this.#kept = new Map(
      admitted.map(({ resource }) => {
        const key = `${resource.group} ${nameOf(resource)}`;
        const text = canonicalJson(resource);
        const known = this.#kept.get(key);
        return [key, known?.text === text ? known : { text, resource }];
      }),
    );
  }

  #compile(scope: ProxyScope, resources: readonly Resource[]): CompiledScope {
    const { named, endpoints, blobs, jwksUris, diagnostics } = this.#compiler.compile({
      resources,
      scope,
    });
    for (const blob of blobs) this.#blobs.set(blob.name, blob);
    const names = secretNames(named.snapshot);
    return {
      snapshot: named.version,
      manifest: this.#parsed(named.version) as Manifest,
      endpoints: endpoints.version,
      endpointManifest: this.#parsed(endpoints.version) as EndpointManifest,
      jwksUris,
      secrets: secretsOf(names, resources).secrets,
      diagnostics: [...diagnostics, ...misplacedSecrets(names, resources)],
    };
  }

  #parsed(name: string): unknown {
    const blob = this.#blobs.get(name);
    if (blob === undefined) throw new Error(`part ${name} was not compiled`);
    return JSON.parse(blob.text());
  }
}
