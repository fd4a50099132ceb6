/** Values as a zod schema allows them. */
import type { z } from 'zod';
import type { Json } from './json.ts';
import { setField } from './json.ts';
import { keyFor, integerFor, numberFor, textFor } from './pools.ts';
import type { Random } from './random.ts';

/** A field of a schema: names, `[]` for an entry of a list, `*` for a value of a map. */
export type Focus = readonly string[];

interface Place {
  readonly random: Random;
  /** Names on the way here, without lists. */
  readonly names: readonly string[];
  /** What must be there, from here on. */
  readonly focus: Focus | undefined;
  readonly depth: number;
}

/** Which schemas the kinds are made of; another one is a case to add below. */
type Known =
  | z.core.$ZodOptional
  | z.core.$ZodObject
  | z.core.$ZodArray
  | z.core.$ZodRecord
  | z.core.$ZodUnion
  | z.core.$ZodEnum
  | z.core.$ZodBoolean
  | z.core.$ZodString
  | z.core.$ZodNumber
  | z.core.$ZodUnknown;
const defOf = (schema: z.core.$ZodType): Known['_zod']['def'] => (schema as Known)._zod.def;

/** Optional fields of which at most one stands, and of which one is needed where `needed` is said. */
const GROUPS: readonly { readonly fields: readonly string[]; readonly needed?: true }[] = [
  { fields: ['exact', 'prefix', 'regex'], needed: true },
  { fields: ['exact', 'prefix', 'suffix'], needed: true },
  { fields: ['exact', 'prefix', 'present'], needed: true },
  { fields: ['selector', 'targetRef', 'targetRefs'] },
  { fields: ['selector', 'targetRefs'] },
  { fields: ['route', 'redirect', 'directResponse', 'delegate'], needed: true },
  { fields: ['httpGet', 'tcpSocket', 'exec', 'grpc'], needed: true },
  { fields: ['wasm', 'lua'], needed: true },
  { fields: ['literal', 'environment', 'header', 'formatter'], needed: true },
  { fields: ['caCertificateRefs', 'wellKnownCACertificates'], needed: true },
  { fields: ['simple', 'consistentHash'] },
  { fields: ['localityLbSetting', 'zoneAwareLbSetting'] },
  { fields: ['port', 'derivePort'] },
  { fields: ['credentialName', 'credentialNames'] },
  { fields: ['ringHash', 'maglev', 'minimumRingSize'] },
  { fields: ['uri', 'uriRegexRewrite'] },
  { fields: ['uri', 'prefixRewrite'] },
  { fields: ['mirror', 'mirrors'] },
  { fields: ['percent', 'fraction'] },
  { fields: ['replaceFullPath', 'replacePrefixMatch'], needed: true },
  { fields: ['jwks', 'jwksUri'], needed: true },
  { fields: ['workloadSelector', 'endpoints'] },
  { fields: ['tunnel', 'proxyProtocol'] },
  { fields: ['distribute', 'failover'] },
  { fields: ['hostname', 'uri'], needed: true },
  { fields: ['requestHeaderModifier', 'responseHeaderModifier', 'requestMirror', 'extensionRef'] },
];

/** How often some optional fields stand: others need them, or nothing of them is ever admitted. */
const SHARES: Readonly<Record<string, number>> = {
  name: 0.9,
  hosts: 0.85,
  http: 0.85,
  exponentialDelay: 0.03,
  http2Error: 0.03,
};

/** Fields that say in `type` which of their siblings stands. */
const TYPES: Readonly<Record<string, string>> = {
  requestHeaderModifier: 'RequestHeaderModifier',
  responseHeaderModifier: 'ResponseHeaderModifier',
  requestMirror: 'RequestMirror',
  requestRedirect: 'RequestRedirect',
  urlRewrite: 'URLRewrite',
  cors: 'CORS',
  externalAuth: 'ExternalAuth',
  extensionRef: 'ExtensionRef',
  replaceFullPath: 'ReplaceFullPath',
  replacePrefixMatch: 'ReplacePrefixMatch',
  hostname: 'Hostname',
  uri: 'URI',
};

function keepOne(kept: Set<string>, fields: readonly string[], place: Place): void {
  const present = fields.filter((field) => kept.has(field));
  const [wanted] = place.focus ?? [];
  const one = present.find((field) => field === wanted) ?? place.random.pick(present);
  for (const field of present) if (field !== one) kept.delete(field);
}

function chooseFields(shape: Readonly<Record<string, z.core.$ZodType>>, place: Place): Set<string> {
  const { random, focus, depth } = place;
  const optional = Object.keys(shape).filter(
    (name) => defOf(shape[name] as z.core.$ZodType).type === 'optional',
  );
  const share = Math.min(0.6, 2.5 / Math.max(1, optional.length)) * 0.93 ** depth;
  const kept = new Set(
    optional.filter((name) => name === focus?.[0] || random.chance(SHARES[name] ?? share)),
  );
  // Documents that break such a rule are wanted too, seldom.
  if (random.chance(0.02)) return kept;
  for (const { fields, needed } of GROUPS) {
    if (!fields.every((field) => optional.includes(field))) continue;
    if (needed === true && !fields.some((field) => kept.has(field))) kept.add(random.pick(fields));
    keepOne(kept, fields, place);
  }
  const bodies = optional.filter((name) => Object.hasOwn(TYPES, name));
  if (Object.hasOwn(shape, 'type') && bodies.length > 1) {
    if (!bodies.some((name) => kept.has(name))) kept.add(random.pick(bodies));
    keepOne(kept, bodies, place);
  }
  return kept;
}

/** `type` says which body stands beside it. */
function withType(made: { [key: string]: Json }, shape: object): void {
  const bodies = Object.keys(shape).filter((name) => Object.hasOwn(TYPES, name));
  const [body] = bodies.filter((name) => Object.hasOwn(made, name));
  if (body !== undefined && bodies.length > 1 && Object.hasOwn(made, 'type'))
    made['type'] = TYPES[body] as string;
}

function makeObject(
  shape: Readonly<Record<string, z.core.$ZodType>>,
  place: Place,
): { [key: string]: Json } {
  const kept = chooseFields(shape, place);
  const made: { [key: string]: Json } = {};
  for (const [name, field] of Object.entries(shape)) {
    const isOptional = defOf(field).type === 'optional';
    if (isOptional && !kept.has(name)) continue;
    made[name] = make(field, {
      ...place,
      names: [...place.names, name],
      focus: place.focus?.[0] === name ? place.focus.slice(1) : undefined,
      depth: place.depth + 1,
    });
  }
  withType(made, shape);
  return made;
}

function makeList(element: z.core.$ZodType, place: Place): Json[] {
  const { random, focus } = place;
  const inner = focus?.[0] === '[]' ? focus.slice(1) : undefined;
  const count = inner === undefined && random.chance(0.04) ? 0 : random.pick([1, 1, 1, 2, 2, 3]);
  const list = Array.from({ length: count }, (_, index) =>
    make(element, { ...place, focus: index === 0 ? inner : undefined }),
  );
  // Most lists of words are sets.
  return random.chance(0.02)
    ? list
    : list.filter((one, at) => typeof one === 'object' || list.indexOf(one) === at);
}

function makeMap(value: z.core.$ZodType, place: Place): Json {
  const { random, names, focus } = place;
  const made: { [key: string]: Json } = {};
  for (let count = random.pick([1, 1, 2]); count > 0; count--) {
    const key = keyFor(names, random);
    const inner = focus?.[0] === '*' ? focus.slice(1) : undefined;
    setField(made, key, make(value, { ...place, names: [...names, '*'], focus: inner }));
  }
  return made;
}

const TREE_NAMES = [
  'filterChain',
  'filter',
  'name',
  'subFilter',
  'mode',
  'proxyVersion',
  'tcp',
  'a',
];
const LEAVES: readonly Json[] = [0, 1, -1, true, '', 'a', 'SIMPLE', 'r0', 1.5, 'envoy.filters.x'];

/** Where nothing is said of a value. */
export function makeTree(random: Random, depth: number): Json {
  if (depth <= 0 || random.chance(0.5)) return random.pick(LEAVES);
  if (random.chance(0.3))
    return Array.from({ length: random.int(0, 2) }, () => makeTree(random, depth - 1));
  const made: { [key: string]: Json } = {};
  for (let count = random.int(0, 3); count > 0; count--)
    setField(made, random.pick(TREE_NAMES), makeTree(random, depth - 1));
  return made;
}

/** Patterns can't be read out of a schema: what they refuse is drawn again. */
function drawn(schema: z.core.$ZodType, draw: () => Json): Json {
  const { checks } = defOf(schema);
  let value = draw();
  if (checks === undefined || checks.length === 0) return value;
  for (let i = 0; i < 20 && !(schema as z.ZodType).safeParse(value).success; i++) value = draw();
  return value;
}

export function make(schema: z.core.$ZodType, place: Place): Json {
  const { random, names } = place;
  const def = defOf(schema);
  switch (def.type) {
    case 'optional':
      return make(def.innerType, place);
    case 'object':
      return makeObject(def.shape, place);
    case 'array':
      return makeList(def.element, place);
    case 'record':
      return makeMap(def.valueType, place);
    case 'union':
      return make(random.pick(def.options), place);
    case 'enum':
      return random.pick(Object.values(def.entries));
    case 'boolean':
      return random.chance(0.5);
    case 'string':
      return drawn(schema, () => textFor(names, random));
    case 'number':
      return drawn(schema, () =>
        'format' in def ? integerFor(names, random) : numberFor(names, random),
      );
    case 'unknown':
      return makeTree(random, 4);
    default:
      throw new Error(
        `the fuzzer makes no ${(def satisfies never as { type: string }).type} (${names.join('.')})`,
      );
  }
}

/** Every field there is. */
export function fieldsOf(schema: z.core.$ZodType, at: Focus = []): Focus[] {
  const def = defOf(schema);
  switch (def.type) {
    case 'optional':
      return fieldsOf(def.innerType, at);
    case 'object':
      return [
        at,
        ...Object.entries(def.shape).flatMap(([name, field]) => fieldsOf(field, [...at, name])),
      ];
    case 'array':
      return [at, ...fieldsOf(def.element, [...at, '[]'])];
    case 'record':
      return [at, ...fieldsOf(def.valueType, [...at, '*'])];
    case 'union':
      return def.options.flatMap((option) => fieldsOf(option, at));
    case 'enum':
    case 'boolean':
    case 'string':
    case 'number':
    case 'unknown':
      return [at];
    default:
      return def satisfies never;
  }
}

/** Does a value have the field? */
export function has(value: Json | undefined, focus: Focus): boolean {
  const [step, ...rest] = focus;
  if (step === undefined) return value !== undefined;
  if (typeof value !== 'object' || value === null) return false;
  if (step === '[]') return Array.isArray(value) && value.some((one) => has(one, rest));
  if (step === '*') return Object.values(value).some((one) => has(one, rest));
  return !Array.isArray(value) && Object.hasOwn(value, step) && has(value[step], rest);
}

/** The schema at a path of a document, where there is one. */
export function schemaAt(
  schema: z.core.$ZodType,
  path: readonly (string | number)[],
): z.core.$ZodType | undefined {
  const def = defOf(schema);
  if (def.type === 'optional') return schemaAt(def.innerType, path);
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  if (def.type === 'object' && Object.hasOwn(def.shape, step))
    return schemaAt(def.shape[step] as z.core.$ZodType, rest);
  if (def.type === 'array') return schemaAt(def.element, rest);
  if (def.type === 'record') return schemaAt(def.valueType, rest);
  return undefined;
}
