/** Whatever admission lets in, analysis and compile can bear: real configurations with one or two parts made strange. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { compile } from '../../src/config/compile/index.ts';
import { findings } from '../../src/config/findings.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const meshes = globSync(['src/**/cases/*.in.yaml', 'examples/bookinfo/mesh/*.yaml'], { cwd: root })
  .sort()
  .map((file) =>
    parseAllDocuments(readFileSync(root + file, 'utf8'), { version: '1.1' }).map(
      (document) => document.toJS() as unknown,
    ),
  );

type Step = string | number;

function pathsOf(value: unknown, at: readonly Step[] = []): (readonly Step[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  const children = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [at, ...children.flatMap(([key, child]) => pathsOf(child, [...at, key]))];
}

const REMOVED = Symbol('removed');

function replaced(value: unknown, path: readonly Step[], by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    Step,
    unknown
  >;
  const child = replaced(copy[step], rest, by);
  if (child === REMOVED) Reflect.deleteProperty(copy, step);
  else copy[step] = child;
  return copy;
}

const strange = fc.oneof(
  fc.constant(REMOVED),
  fc.constantFrom<unknown>(
    null,
    '',
    '*',
    '*.test',
    '.*',
    'x/y',
    '/',
    '~',
    '0s',
    '%REQ(a)%',
    0,
    -1,
    65_536,
    true,
    [],
    {},
    [''],
    [{}],
  ),
);

const mutated = fc.constantFrom(...meshes).chain((documents) => {
  const paths = documents.flatMap((document, index) =>
    pathsOf(document).map((path): readonly Step[] => [index, ...path]),
  );
  return fc
    .array(fc.tuple(fc.constantFrom(...paths), strange), { minLength: 1, maxLength: 2 })
    .map((changes) =>
      changes.reduce<unknown>((mesh, [path, by]) => {
        try {
          return replaced(mesh, path, by);
        } catch {
          // The first change took away what the second is about.
          return mesh;
        }
      }, documents),
    );
});

const SCOPES: readonly ProxyScope[] = [
  { type: 'gateway', namespace: 'edge', name: 'front', labels: { app: 'front' } },
  { type: 'sidecar-outbound', namespace: 'shop', name: 'client', labels: { version: 'v2' } },
  {
    type: 'sidecar-inbound',
    namespace: 'shop',
    name: 'cart',
    labels: { app: 'cart' },
    service: 'cart.shop.svc.cluster.local',
  },
];

describe('a configuration with strange parts', () => {
  it('is refused, or compiled', () => {
    let taken = 0;
    fc.assert(
      fc.property(mutated, (mesh) => {
        const text = (mesh as readonly unknown[])
          .filter((document) => document !== undefined)
          .map((document) => JSON.stringify(document) ?? 'null')
          .join('\n---\n');
        const { resources } = readConfig([{ file: 'mutated', text }], { kinds });
        taken += resources.length;
        findings(resources, { kinds, policyCompilers });
        for (const scope of SCOPES)
          compile({ resources: resources.map(({ resource }) => resource), scope }, policyCompilers);
      }),
      { numRuns: 400 },
    );
    expect(taken).toBeGreaterThan(400);
  });
});
