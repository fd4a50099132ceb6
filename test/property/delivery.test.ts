/** What a gateway assembles out of blobs is what was compiled, and one change travels as little. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { hashName } from '../../src/lib/hash.ts';
import type { Resource } from '../../src/model/api.ts';
import type { CompileResult } from '../../src/model/config.ts';
import type { EndpointManifest, Manifest, PartItem } from '../../src/model/manifest.ts';
import type { NamedSnapshot, ProxyScope } from '../../src/model/snapshot.ts';
import { policyCompilers } from '../../src/presets/control.ts';
import { assembleEndpoints, assembleSnapshot } from '../../src/proxy/index.ts';
import { SCOPES, admit, anyPart } from '../fixtures/meshes.ts';

const jsonOf = (compiled: CompileResult): ReadonlyMap<string, unknown> =>
  new Map(compiled.blobs.map((blob) => [blob.name, JSON.parse(blob.text()) as unknown]));

function expectWhole(compiled: CompileResult): void {
  const { named, endpoints } = compiled;
  const blobs = jsonOf(compiled);
  const parts = blobs as ReadonlyMap<string, readonly PartItem[]>;
  const manifest = blobs.get(named.version) as Manifest;
  const overlay = blobs.get(endpoints.version) as EndpointManifest;
  expect(assembleSnapshot(named.version, manifest, parts)).toEqual(named);
  expect(assembleEndpoints(endpoints.version, overlay, parts)).toEqual(endpoints);
  for (const blob of compiled.blobs) expect(hashName(blob.text())).toBe(blob.name);
}

const rules = (name: string, host: string, count: number): Resource => ({
  group: 'networking.istio.io',
  version: 'v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'edge' },
  spec: {
    hosts: [host],
    gateways: ['front'],
    http: Array.from({ length: count }, (_, index) => ({
      match: [{ uri: { prefix: `/${name}/${index}/` } }],
      route: [{ destination: { host: 'shop.test' } }],
    })),
  },
});
const gateway: Resource = {
  group: 'networking.istio.io',
  version: 'v1',
  kind: 'Gateway',
  metadata: { name: 'front', namespace: 'edge' },
  spec: {
    selector: { app: 'front' },
    servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
  },
};
const scope: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};

const assembled = (
  { named, blobs }: CompileResult,
  before?: { readonly manifest: Manifest; readonly named: NamedSnapshot },
): { readonly manifest: Manifest; readonly named: NamedSnapshot } => {
  const parts = new Map(blobs.map((blob) => [blob.name, JSON.parse(blob.text()) as unknown]));
  const manifest = parts.get(named.version) as Manifest;
  return {
    manifest,
    named: assembleSnapshot(
      named.version,
      manifest,
      parts as unknown as ReadonlyMap<string, readonly PartItem[]>,
      before,
    ),
  };
};

/** Bytes of the blobs that one has and the other hasn't. */
function bytesBetween(before: readonly Resource[], after: readonly Resource[]): number {
  const [known, next] = [before, after].map((resources) =>
    compile({ resources, scope }, policyCompilers),
  ) as [CompileResult, CompileResult];
  expectWhole(next);
  const names = new Set(known.blobs.map(({ name }) => name));
  return next.blobs
    .filter(({ name }) => !names.has(name))
    .reduce((sum, blob) => sum + blob.text().length, 0);
}

describe('delivery', () => {
  it('brings what was compiled', () => {
    fc.assert(
      fc.property(fc.array(anyPart, { maxLength: 12 }), (named) => {
        const resources = admit(named).map(({ resource }) => resource);
        for (const one of SCOPES) expectWhole(compile({ resources, scope: one }, policyCompilers));
      }),
      { numRuns: 100 },
    );
  });

  it('keeps hosts of many routes that are the same, and no others', () => {
    const of = (...counts: readonly number[]): CompileResult =>
      compile(
        {
          resources: [
            gateway,
            ...counts.map((count, index) => rules(`v${index}`, `h${index}.test`, count)),
          ],
          scope,
        },
        policyCompilers,
      );
    const hostsOf = ({ named }: { readonly named: NamedSnapshot }) =>
      new Map(named.snapshot.listeners[0]?.virtualHosts.map((host) => [host.name, host]));
    const first = assembled(of(200, 300));
    const changed = of(201, 300, 100);
    const second = assembled(changed, first);
    expect(second.named).toEqual(changed.named);
    expect(hostsOf(second).get('h1.test:80')).toBe(hostsOf(first).get('h1.test:80'));
    expect(hostsOf(second).get('h1.test:80')?.routes).toHaveLength(300);
    expect(hostsOf(second).get('h0.test:80')?.routes).toHaveLength(201);
  });

  it.each([
    ['over as many hosts', (index: number) => rules(`v${index}`, `h${index}.test`, 1)],
    ['on one host', (index: number) => rules(`v${index}`, 'all.test', 1)],
  ])('of one changed rule set of 2,000 %s is some tens of KB', (_name, make) => {
    const resources = [gateway, ...Array.from({ length: 2000 }, (_unused, index) => make(index))];
    const changed = resources.map((one) =>
      one.metadata.name === 'v777'
        ? rules('v777', (one.spec as { hosts: string[] }).hosts[0] ?? '', 2)
        : one,
    );
    const bytes = bytesBetween(resources, changed);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(64_000);
  });
});
