/** What a new slice costs: a part, a compiler and a filter make a key of Policy, from text to decision. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { noKeys } from '../../../test/fixtures/snapshots.ts';
import { compile } from '../../config/compile/index.ts';
import { readConfig } from '../../config/pipeline.ts';
import { createFakeHost } from '../../host/fake-host.ts';
import type { ResourceKind } from '../../model/config.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PolicyCompiler, PolicyFilter } from '../../model/policy.ts';
import type { ProxyScope } from '../../model/snapshot.ts';
import { link, simulate } from '../../simulate/index.ts';
import { istioKinds } from '../index.ts';
import type { AnyPart } from './policy.ts';
import { policyKind } from './policy.ts';

const teaPart: AnyPart = {
  key: 'tea',
  summary: 'Refuses to brew coffee.',
  schema: z.strictObject({ pots: z.int().optional(), kinds: z.array(z.string()).optional() }),
  check: (part, report) => {
    const { kinds = [] } = part as { readonly kinds?: readonly string[] };
    for (const [index, kind] of kinds.entries())
      if (kind === 'coffee') report(`kinds[${index}]`, 'coffee is no tea', 'take another kind');
  },
  fields: [],
  notes: '',
  refusals: [],
  example: 'pots: 1\n',
};
const teaCompiler: PolicyCompiler = {
  kind: 'tea',
  phase: 'limit',
  compilePart: (part, { policy }) => ({ kind: 'tea', config: { policy, part } }),
};
const teaFilter: PolicyFilter = {
  kind: 'tea',
  phase: 'limit',
  link: (config) => ({
    request: (x) => {
      x.decidedBy = (config as { readonly policy: string }).policy;
      return { status: 418, body: 'short and stout', headers: [], flag: '', details: 'teapot' };
    },
  }),
};

const kinds: readonly ResourceKind[] = [...istioKinds, policyKind([teaPart])];
const policy = (spec: string): string =>
  `apiVersion: lateen.io/v1\nkind: Policy\nmetadata: {name: pot, namespace: edge}\nspec: ${spec}\n`;

function faults(spec: string): Pick<Diagnostic, 'code' | 'path' | 'message' | 'remedy'>[] {
  const { diagnostics } = readConfig([{ file: 'a.yaml', text: policy(spec) }], { kinds });
  return diagnostics.map(({ code, path = '', message, remedy = '' }) => ({
    code,
    path,
    message,
    remedy,
  }));
}

describe('a part', () => {
  it('decides what its filter decides, in the words of its compiler', async () => {
    const gateway =
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n';
    const text = `${gateway}---\n${policy('{tea: {pots: 2}}')}`;
    const { resources, diagnostics } = readConfig([{ file: 'a.yaml', text }], { kinds });
    expect(diagnostics).toEqual([]);
    const scope: ProxyScope = { type: 'gateway', namespace: 'edge', name: 'g', labels: { a: 'b' } };
    const input = { resources: resources.map(({ resource }) => resource), scope };
    const compiled = compile(input, [teaCompiler]);
    expect(compiled.resources).toContain('Policy edge/pot');
    expect(compiled.named.snapshot.listeners[0]?.filters).toEqual([
      { kind: 'tea', config: { policy: 'edge/pot', part: { pots: 2 } }, yields: true },
    ]);
    const host = createFakeHost();
    const linked = link(compiled.named, compiled.endpoints, noKeys, { host, filters: [teaFilter] });
    const decision = await simulate({ linked, host, request: { host: 'a.test' } });
    expect(decision).toMatchObject({ status: 418, policy: 'edge/pot', details: 'teapot' });
  });

  it('refuses by its schema and its check, at the place in the resource', () => {
    expect(faults('{tea: {pots: many}}')).toMatchObject([
      { code: 'LAT0004', path: 'spec.tea.pots' },
    ]);
    expect(faults('{tea: {potts: 1}}')).toMatchObject([
      { code: 'LAT0003', path: 'spec.tea.potts', remedy: 'write pots' },
    ]);
    expect(faults('{tea: {kinds: [mint, coffee]}}')).toEqual([
      {
        code: 'IST0106',
        path: 'spec.tea.kinds[1]',
        message: 'coffee is no tea',
        remedy: 'take another kind',
      },
    ]);
  });
});

describe('a Policy', () => {
  it.each([
    [
      'an unknown key, with the near one',
      '{teas: {}}',
      { code: 'LAT0003', path: 'spec.teas', remedy: 'write tea' },
    ],
    [
      'both ways to attach',
      '{tea: {}, selector: {}, targetRefs: [{group: "", kind: Service, name: a}]}',
      { code: 'IST0106', path: 'spec', remedy: 'keep one' },
    ],
    [
      'no target',
      '{tea: {}, targetRefs: []}',
      { code: 'IST0106', path: 'spec.targetRefs', remedy: 'leave it out' },
    ],
    [
      'a target of another kind',
      '{tea: {}, targetRefs: [{group: apps, kind: Deployment, name: a}]}',
      { code: 'IST0106', path: 'spec.targetRefs[0]', remedy: '' },
    ],
    [
      'a target without name',
      '{tea: {}, targetRefs: [{group: "", kind: Service, name: ""}]}',
      { code: 'IST0106', path: 'spec.targetRefs[0].name', remedy: '' },
    ],
    [
      'an empty section',
      '{tea: {}, targetRefs: [{group: core, kind: Service, name: a, sectionName: ""}]}',
      { code: 'IST0106', path: 'spec.targetRefs[0].sectionName', remedy: 'leave it out' },
    ],
    [
      'a target twice',
      '{tea: {}, targetRefs: [{group: core, kind: Service, name: a}, {group: "", kind: Service, name: a}]}',
      { code: 'IST0106', path: 'spec.targetRefs[1]', remedy: 'remove' },
    ],
    [
      'a namespace in a target',
      '{tea: {}, targetRefs: [{group: "", kind: Service, name: a, namespace: b}]}',
      { code: 'LAT0003', path: 'spec.targetRefs[0].namespace', remedy: '' },
    ],
    [
      'a wildcard selector',
      '{tea: {}, selector: {matchLabels: {a: "*"}}}',
      { code: 'IST0106', path: 'spec.selector.matchLabels', remedy: '' },
    ],
    ['nothing to do', '{selector: {}}', { code: 'IST0133', path: 'spec', remedy: '' }],
  ])('is told of %s', (_name, spec, finding) => {
    const { code, path, remedy } = finding;
    const [first, ...others] = faults(spec);
    expect(others).toEqual([]);
    expect(first).toMatchObject({ code, path });
    expect(first?.remedy).toContain(remedy);
  });

  it('takes 16 targets and no more', () => {
    const targets = (count: number): string =>
      Array.from({ length: count }, (_, i) => `{group: "", kind: Service, name: s${i}}`).join(', ');
    expect(faults(`{tea: {}, targetRefs: [${targets(16)}]}`)).toEqual([]);
    expect(faults(`{tea: {}, targetRefs: [${targets(17)}]}`)).toMatchObject([
      { path: 'spec.targetRefs', code: 'LAT0004' },
    ]);
  });
});
