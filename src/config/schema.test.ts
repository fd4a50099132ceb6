import { describe, expect, it } from 'vitest';
import { coreKinds, istioKinds } from '../resources/index.ts';
import { codes } from './codes.ts';
import { readConfig } from './pipeline.ts';

const kinds = [...istioKinds, ...coreKinds];
const read = (text: string, options: { defaultNamespace?: string; lenient?: boolean } = {}) =>
  readConfig([{ file: 'mesh.yaml', text }], { kinds, ...options });
const first = (text: string) => read(text).diagnostics[0];
const head = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\n';
const spec = 'spec: {hosts: [shop.test], http: [{route: [{destination: {host: shop}}]}]}\n';

describe('what is admitted', () => {
  it('gets its namespace and the first version of its kind', () => {
    const text = `${head.replace('/v1', '/v1alpha3')}metadata: {name: shop}\n${spec}`;
    const [admitted] = read(text, { defaultNamespace: 'store' }).resources;
    expect(admitted?.resource).toMatchObject({
      group: 'networking.istio.io',
      version: 'v1',
      kind: 'VirtualService',
      metadata: { name: 'shop', namespace: 'store' },
    });
    expect(admitted?.placeOf('spec.http[0]')).toMatchObject({ line: 4 });
  });

  it('treats a null field as absent', () => {
    const { resources, diagnostics } = read(
      `${head}metadata: {name: shop, labels: }\n${spec.replace('hosts', 'tcp: ~, hosts')}`,
    );
    expect(diagnostics).toEqual([]);
    expect(resources[0]?.resource.spec).not.toHaveProperty('tcp');
    expect(resources[0]?.resource.metadata).not.toHaveProperty('labels');
  });

  it('decodes a Secret and lets stringData win', () => {
    const [admitted] = read(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aGVsbG8=, b: b2xk}\nstringData: {b: new}\n',
    ).resources;
    expect(admitted?.resource.data).toEqual({ a: 'hello', b: 'new' });
  });

  it('keeps a kind that a mesh has no use for, with a warning', () => {
    const result = read(
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {x: 1}\n',
    );
    expect(result.resources).toHaveLength(1);
    expect(result.diagnostics).toMatchObject([{ code: 'LAT0006', level: 'warning' }]);
  });
});

describe('kinds and versions', () => {
  it.each([
    ['apiVersion: networking.istio.io/v1\nkind: VirtualServce', 'did you mean VirtualService'],
    ['apiVersion: networking.istio.io/v9\nkind: VirtualService', 'networking.istio.io/v1beta1'],
    ['apiVersion: example.test/v1\nkind: Kettle', 'not known to this version'],
    ['kind: VirtualService', 'apiVersion and kind are required'],
  ])('refuses %j', (text, words) => {
    const diagnostic = first(`${text}\nmetadata: {name: shop}\nspec: {}\n`);
    expect(diagnostic).toMatchObject({ code: 'LAT0002', level: 'error' });
    expect(diagnostic?.message).toContain(words);
  });

  it('points at the group that serves the kind', () => {
    const diagnostic = first('apiVersion: v1\nkind: VirtualService\nmetadata: {name: a}\n');
    expect(diagnostic?.remedy).toContain('networking.istio.io/v1');
  });
});

describe('faults', () => {
  it('reports all of a document at once, each with its place', () => {
    const result = read(
      `${head}metadata: {name: Shop, label: {}}\nspec:\n  host: [a]\n  http:\n  - timeout: 5\n    rout: []\n`,
    );
    expect(result.resources).toEqual([]);
    expect(result.diagnostics.map(({ path, place }) => [path, place?.line])).toEqual(
      expect.arrayContaining([
        ['metadata.name', 3],
        ['metadata.label', 3],
        ['spec.host', 5],
        ['spec.http[0].timeout', 7],
        ['spec.http[0].rout', 8],
      ]),
    );
  });

  it('says what an unknown field may have meant', () => {
    const diagnostic = first(`${head}metadata: {name: a}\nspec: {hosts: [a.test], htp: []}\n`);
    expect(diagnostic).toMatchObject({ code: 'LAT0003', path: 'spec.htp', remedy: 'write http' });
  });

  it('is lenient about unknown fields when asked', () => {
    const text = `${head}metadata: {name: a}\n${spec.replace('hosts', 'colour: red, hosts')}`;
    expect(read(text).resources).toHaveLength(0);
    const { resources, diagnostics } = read(text, { lenient: true });
    expect(resources).toHaveLength(1);
    expect(diagnostics).toMatchObject([{ code: 'LAT0003', level: 'warning' }]);
  });

  it('names the unquoted word where text is wanted', () => {
    const label = first(`${head}metadata: {name: a, labels: {canary: yes}}\n${spec}`);
    expect(label).toMatchObject({
      path: 'metadata.labels.canary',
      remedy: 'write "yes" in quotes',
    });
    const subset = first(
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, subsets: [{name: b, labels: {version: 1.10}}]}\n',
    );
    expect(subset?.message).toContain('1.10');
  });

  it('refuses a null entry once, and points at a bare tilde', () => {
    const { diagnostics } = read(
      `${head}metadata: {name: a}\n${spec.replace('hosts', 'exportTo: [~], hosts')}`,
    );
    expect(diagnostics).toMatchObject([
      { path: 'spec.exportTo[0]', remedy: 'write "~" in quotes' },
    ]);
  });

  it.each([
    ['name: -a', 'metadata.name'],
    ['name: a, namespace: a.b', 'metadata.namespace'],
    ['name: a, labels: {"a b": c}', 'metadata.labels.a b'],
    ['name: a, labels: {a: "b c"}', 'metadata.labels.a'],
    ['name: a, annotations: {a: 1}', 'metadata.annotations.a'],
    ['name: a, creationTimestamp: yesterday', 'metadata.creationTimestamp'],
    ['namespace: a', 'metadata.name'],
  ])('refuses metadata {%s}', (metadata, path) => {
    expect(first(`${head}metadata: {${metadata}}\n${spec}`)).toMatchObject({
      code: 'LAT0004',
      path,
    });
  });

  it('keeps the first of two with one key', () => {
    const one = `${head}metadata: {name: a}\n${spec}`;
    const { resources, diagnostics } = read(`${one}---\n${one.replace('/v1', '/v1beta1')}`);
    expect(resources).toHaveLength(1);
    expect(diagnostics).toMatchObject([{ code: 'LAT0007', place: { line: 8 } }]);
  });

  it("keeps a Secret's values out of its messages", () => {
    const result = read(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: "hunter2!"}\nstringData: {pin: 4711}\n',
    );
    expect(result.resources).toEqual([]);
    expect(JSON.stringify(result.diagnostics)).not.toMatch(/hunter2|4711/);
  });

  it('has a meaning for every code of its own', () => {
    const { diagnostics } = read(
      `${head}metadata: {name: a}\nspec: {htp: []}\n---\na: [\n---\n3\n`,
    );
    for (const { code } of diagnostics) expect(codes).toHaveProperty(code);
    expect(diagnostics.length).toBeGreaterThan(2);
  });
});

it('admits ten thousand documents', { timeout: 30_000 }, () => {
  const one = (i: number) => `${head}metadata: {name: shop-${i}}\n${spec}`;
  const text = Array.from({ length: 10_000 }, (_, i) => one(i)).join('---\n');
  expect(read(text).resources).toHaveLength(10_000);
});
