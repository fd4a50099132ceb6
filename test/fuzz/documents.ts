/** Documents of every kind, mostly such as admission takes. */
import { admit } from '../../src/config/schema.ts';
import { pathSteps } from '../../src/config/path.ts';
import type { ResourceKind } from '../../src/model/config.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { kinds } from '../../src/presets/control.ts';
import { schemaOf } from '../../src/resources/define.ts';
import { meshConfigSchema } from '../../src/resources/mesh-config-checks.ts';
import type { Json, Step } from './json.ts';
import { isMap, replaced, valueAt } from './json.ts';
import { looseSpecs } from './loose.ts';
import { NAMES, NAMESPACES } from './pools.ts';
import type { Random } from './random.ts';
import type { Focus } from './schema.ts';
import { fieldsOf, make, makeTree, schemaAt } from './schema.ts';

export type Fields = { [key: string]: Json };

const HEAD = new Set(['apiVersion', 'kind', 'metadata', 'status']);

export const keyOf = ({ group, kind }: Pick<ResourceKind, 'group' | 'kind'>): string =>
  `${group}/${kind}`;

const foci = new Map(
  kinds.map((kind) => {
    const schema = schemaOf(kind);
    const fields = schema === undefined ? [] : fieldsOf(schema);
    return [keyOf(kind), fields.filter(([first = 'kind']) => !HEAD.has(first))] as const;
  }),
);

/** Every field of a kind, beside the head that all have. */
export const fociOf = (kind: ResourceKind): readonly Focus[] => foci.get(keyOf(kind)) ?? [];

const LABELS: readonly (readonly [string, readonly string[]])[] = [
  ['app', ['shop', 'front']],
  ['version', ['v1', 'v2']],
  ['kubernetes.io/service-name', NAMES],
  ['istio-injection', ['enabled', 'disabled']],
  ['sidecar.istio.io/inject', ['true', 'false']],
  ['istio/multiCluster', ['true']],
  ['istio.io/rev', ['x']],
  ['constructor', ['shop']],
];
const ANNOTATIONS: readonly (readonly [string, readonly string[]])[] = [
  ['networking.istio.io/exportTo', ['*', '.', 'a,b', '~', 'A']],
  ['galley.istio.io/analyze-suppress', ['IST0101', '*']],
  ['sidecar.istio.io/inject', ['true', 'maybe']],
  ['status.sidecar.istio.io/port', ['80', 'x']],
  ['traffic.sidecar.istio.io/includeOutboundIPRanges', ['*', '10.0.0.0/8', 'x']],
  ['kubernetes.io/ingress.class', ['istio']],
  ['constructor', ['x']],
  ['internal.istio.io/parents', ['Gateway/front.a']],
];
const TIMES = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00.5Z', '2025-06-01T02:00:00+02:00'];

function wordsFrom(
  table: readonly (readonly [string, readonly string[]])[],
  random: Random,
): Fields {
  return Object.fromEntries(
    random.some(table, 3).map(([key, values]) => [key, random.pick(values)]),
  );
}

function metadataOf(kind: ResourceKind, random: Random): Fields {
  const isMesh = kind.kind === 'ConfigMap' && random.chance(0.4);
  const names =
    kind.kind === 'Namespace' ? NAMESPACES : kind.kind === 'GatewayClass' ? ['istio', 'r0'] : NAMES;
  return {
    name: isMesh ? 'istio' : random.pick(names),
    ...(isMesh
      ? { namespace: 'istio-system' }
      : random.chance(0.95)
        ? { namespace: random.pick(NAMESPACES) }
        : {}),
    ...(random.chance(0.6) ? { labels: wordsFrom(LABELS, random) } : {}),
    ...(random.chance(0.15) ? { annotations: wordsFrom(ANNOTATIONS, random) } : {}),
    ...(random.chance(0.7) ? { creationTimestamp: random.pick(TIMES) } : {}),
    ...(random.chance(0.2) ? { generation: random.int(1, 3) } : {}),
  };
}

function bodyOf(kind: ResourceKind, random: Random, focus: Focus | undefined): Fields {
  const schema = schemaOf(kind);
  if (schema === undefined) {
    const known = looseSpecs[kind.kind];
    if (known === undefined || random.chance(0.1)) return { spec: makeTree(random, 5) };
    return { spec: make(known, { random, names: ['spec'], focus: undefined, depth: 0 }) };
  }
  const place = { random, names: [], depth: 0, focus };
  const made = make(schema, place) as Fields;
  for (const name of HEAD) Reflect.deleteProperty(made, name);
  return made;
}

/** The mesh's settings stand in a text. */
function withMeshConfig(body: Fields, random: Random): Fields {
  const settings = make(meshConfigSchema, { random, names: [], focus: undefined, depth: 0 });
  const data = isMap(body['data']) ? body['data'] : {};
  return { ...body, data: { ...data, mesh: JSON.stringify(settings) } };
}

export function documentOf(kind: ResourceKind, random: Random, focus?: Focus): Fields {
  const version = random.pick(kind.versions);
  const metadata = metadataOf(kind, random);
  const body = bodyOf(kind, random, focus);
  return {
    apiVersion: kind.group === '' ? version : `${kind.group}/${version}`,
    kind: kind.kind,
    metadata,
    ...(metadata['name'] === 'istio' && kind.kind === 'ConfigMap'
      ? withMeshConfig(body, random)
      : body),
  };
}

export function faultsOf(document: Json): readonly Diagnostic[] {
  const place = { file: 'fuzz', line: 1, column: 1 };
  const parsed = { value: document as unknown, file: 'fuzz', placeOf: () => place };
  const { diagnostics } = admit([parsed], { kinds });
  return diagnostics.filter(({ level }) => level === 'error');
}

const kindOf = ({ apiVersion, kind }: Fields): ResourceKind | undefined =>
  kinds.find(
    (one) =>
      one.kind === kind && (apiVersion as string).startsWith(one.group === '' ? 'v' : one.group),
  );

/** To the node that a fault is about, or the field that is missing of the nearest above it. */
function nearest(document: Json, path: string): Step[] {
  const steps = pathSteps(path);
  while (steps.length > 1 && valueAt(document, steps.slice(0, -1)) === undefined) steps.pop();
  return steps;
}

/** One change that may take a fault away: nobody knows which, so it is drawn. */
function mended(document: Fields, fault: Diagnostic, random: Random): Fields {
  const steps = nearest(document, fault.path ?? '');
  const kind = kindOf(document);
  const schema = kind === undefined ? undefined : schemaOf(kind);
  if (steps.length === 0 || steps[0] === 'kind') return document;
  const found = valueAt(document, steps);
  const own = schema === undefined ? undefined : schemaAt(schema, steps);
  const draw = random.int(0, 3);
  if ((draw === 0 && steps.length > 1) || steps[0] === 'metadata')
    return replaced(document, steps, undefined) as Fields;
  if (draw <= 1 && isMap(found) && Object.keys(found).length > 0)
    return replaced(document, [...steps, random.pick(Object.keys(found))], undefined) as Fields;
  if (own === undefined) return document;
  const names = steps.filter((step): step is string => typeof step === 'string');
  const anew = make(own, { random, names, focus: undefined, depth: names.length });
  // A fault of a map is often that something in it is missing.
  return replaced(
    document,
    steps,
    isMap(found) && isMap(anew) && draw === 2 ? { ...anew, ...found } : anew,
  ) as Fields;
}

const MAX_ROUNDS = 24;

/** Changed until admission takes it, or not for long enough. */
export function mend(given: Fields, random: Random): Fields {
  let document = given;
  let faults = faultsOf(document);
  for (let round = 0; round < MAX_ROUNDS && faults.length > 0; round++) {
    const next = mended(document, random.pick(faults), random);
    const left = faultsOf(next);
    // Steps sideways are taken, so that it doesn't get stuck.
    if (left.length > faults.length && !random.chance(0.3)) continue;
    document = next;
    faults = left;
  }
  return document;
}

/** Which the compiler reads, before those that it only keeps. */
const READ = kinds.filter(({ inert }) => inert !== true);

export function anyDocument(random: Random, from: readonly ResourceKind[] = READ): Fields {
  const kind = random.chance(0.05) ? random.pick(kinds) : random.pick(from);
  const fields = fociOf(kind);
  const focus = fields.length > 0 && random.chance(0.5) ? random.pick(fields) : undefined;
  const made = documentOf(kind, random, focus);
  // Some of what admission refuses stays, to be refused beside what it takes.
  return random.chance(0.95) ? mend(made, random) : made;
}
