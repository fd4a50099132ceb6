/** What one changed route of thousands costs a gateway: bytes on the wire, and the time to put it in force. */
import { createCompiler } from '../src/config/compile/index.ts';
import { createFakeHost } from '../src/host/fake-host.ts';
import type { CompileResult } from '../src/model/config.ts';
import type { EndpointManifest, Manifest, PartItem } from '../src/model/manifest.ts';
import { policyCompilers } from '../src/presets/control.ts';
import { filters } from '../src/presets/node.ts';
import { assembleEndpoints, assembleSnapshot, createLinker } from '../src/proxy/index.ts';
import { LARGE_SCOPES, largeMesh, withChange } from './large-mesh.ts';
import { median } from './measure.ts';

const COUNT = 10_000;
const CHANGES = 21;
/** What is promised. */
const MOST_MS = 20;
const MOST_KB = 100;

/** A gateway that has what it was sent before. */
class Receiver {
  readonly #linker = createLinker({ host: createFakeHost(), filters });
  #known: ReadonlyMap<string, unknown> = new Map();

  /** Bytes that were missing, and milliseconds from their text to what is in force. */
  take(compiled: CompileResult): { readonly bytes: number; readonly ms: number } {
    const missing = compiled.blobs.filter(({ name }) => !this.#known.has(name));
    const texts = missing.map((blob) => [blob.name, blob.text()] as const);
    const begun = performance.now();
    const parsed = new Map(texts.map(([name, text]) => [name, JSON.parse(text) as unknown]));
    const blobs = new Map(
      compiled.blobs.map(({ name }) => [name, this.#known.get(name) ?? parsed.get(name)]),
    );
    const parts = blobs as ReadonlyMap<string, readonly PartItem[]>;
    const { named, endpoints } = compiled;
    const manifest = blobs.get(named.version) as Manifest;
    const members = blobs.get(endpoints.version) as EndpointManifest;
    this.#linker.link(
      assembleSnapshot(named.version, manifest, parts),
      assembleEndpoints(endpoints.version, members, parts),
      { version: 'none', sets: {} },
    );
    const ms = performance.now() - begun;
    this.#known = blobs;
    return { bytes: texts.reduce((sum, [, text]) => sum + text.length, 0), ms };
  }
}

export function benchDelivery(): void {
  for (const scope of LARGE_SCOPES) {
    const compiler = createCompiler(policyCompilers);
    const receiver = new Receiver();
    let resources = largeMesh(COUNT);
    const whole = receiver.take(compiler.compile({ resources, scope }));
    const changes = Array.from({ length: CHANGES }, (_, change) => {
      resources = withChange(resources, change);
      return receiver.take(compiler.compile({ resources, scope }));
    });
    const kilobytes = median(changes.map(({ bytes }) => bytes)) / 1000;
    const ms = median(changes.map((change) => change.ms));
    console.log(
      `delivery of ${COUNT} virtual hosts to a ${scope.type}: ${(whole.bytes / 1e6).toFixed(1)} MB, in force in ${whole.ms.toFixed(0)} ms; ` +
        `one changed: ${kilobytes.toFixed(0)} KB (want less than ${MOST_KB}), in force in ${ms.toFixed(1)} ms (want less than ${MOST_MS})`,
    );
  }
}

if (import.meta.main) benchDelivery();
