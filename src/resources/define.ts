/** From a zod schema to a ResourceKind: faults with path, value seen, value wanted. */
import { z } from 'zod';
import { closest } from '../lib/similar.ts';
import type { Resource } from '../model/api.ts';
import type { Fault, NotEnforced, ResourceKind } from '../model/config.ts';

/** YAML 1.1 words that stand unquoted and aren't text. */
const UNQUOTED =
  'in YAML yes, no, on, off, y, n and bare numbers are not text: put the value in quotes';

export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path)
    value =
      typeof value === 'object' && value !== null
        ? (value as Record<PropertyKey, unknown>)[step]
        : undefined;
  return value;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function knownFields(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema;
  for (const step of [...path, undefined]) {
    while (current instanceof z.ZodOptional || current instanceof z.ZodNullable)
      current = current.unwrap();
    if (step === undefined) break;
    if (current instanceof z.ZodObject) current = current.shape[String(step)];
    else if (current instanceof z.ZodArray) current = current.element;
    else if (current instanceof z.ZodRecord) current = current.valueType;
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** `route`, or `match[1]` for an entry of a list. */
function fieldName(path: readonly PropertyKey[]): string {
  const from = path.findLastIndex((step) => typeof step !== 'number');
  return from < 0 ? 'document' : pathText(path.slice(from));
}

/** One finding of zod as faults: path, value seen, value wanted. */
export function issueFaults(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  document: unknown,
): Fault[] {
  const path = pathText(issue.path);
  const seen = valueAt(document, issue.path);
  const fault = (message: string, remedy?: string): Fault => ({
    code: 'LAT0004',
    level: 'error',
    path,
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const near = closest(key, knownFields(schema, issue.path));
      return {
        code: 'LAT0003',
        level: 'error',
        path: path === '' ? key : `${path}.${key}`,
        message: `unknown field "${key}"${near === undefined ? '' : `, did you mean "${near}"?`}`,
        remedy: near === undefined ? 'remove it' : `write ${near}`,
      };
    });
  const name = fieldName(issue.path);
  if (issue.code === 'invalid_type') {
    if (seen === undefined) return [fault(`${name} is required, want ${wanted(issue.expected)}`)];
    const isWord =
      issue.expected === 'string' && (typeof seen === 'boolean' || typeof seen === 'number');
    return [
      fault(
        `${name} is ${shown(seen)}, want ${wanted(issue.expected)}`,
        isWord ? UNQUOTED : undefined,
      ),
    ];
  }
  if (issue.code === 'invalid_value')
    return [fault(`${name} is ${shown(seen)}, want one of ${issue.values.map(String).join(', ')}`)];
  if (issue.code === 'custom') return [fault(issue.message)];
  return [fault(`${name} is ${shown(seen)}: ${issue.message}`)];
}

function wanted(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    int: 'an integer',
    number: 'an integer',
    record: 'a map',
    object: 'a map',
    array: 'a list',
  };
  return words[expected] ?? `a ${expected}`;
}

const topLevel = {
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.unknown(),
  status: z.unknown().optional(),
};

export interface KindDefinition<Spec> {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
  readonly plural: string;
  readonly spec: z.ZodType;
  /** `spec` may be missing. @default false */
  readonly optionalSpec?: boolean;
  validate?(spec: Spec, resource: Resource<Spec>): readonly Fault[];
  notEnforced?(spec: Spec): readonly NotEnforced[];
  /** Why nothing acts on the kind yet. */
  readonly unenforced?: string;
}

const schemas = new WeakMap<ResourceKind, z.ZodType>();

/** Remembers what documents of a kind look like, for who makes some. */
export function withSchema(kind: ResourceKind, schema: z.ZodType): ResourceKind {
  schemas.set(kind, schema);
  return kind;
}

/** Of a whole document; none where the body isn't looked into. */
export function schemaOf(kind: ResourceKind): z.ZodType | undefined {
  return schemas.get(kind);
}

export function defineKind<Spec>(definition: KindDefinition<Spec>): ResourceKind {
  const { group, kind, versions, plural, unenforced } = definition;
  const schema = z.strictObject({
    ...topLevel,
    spec: definition.optionalSpec === true ? definition.spec.optional() : definition.spec,
  });
  const made: ResourceKind = {
    group,
    kind,
    versions,
    plural,
    check(document) {
      const result = schema.safeParse(document);
      return result.success
        ? []
        : result.error.issues.flatMap((issue) => issueFaults(issue, schema, document));
    },
    validate: (resource) =>
      definition.validate?.(resource.spec as Spec, resource as Resource<Spec>) ?? [],
    notEnforced: (resource) => [
      ...(unenforced === undefined ? [] : [{ path: 'spec', reason: unenforced }]),
      ...(definition.notEnforced?.(resource.spec as Spec) ?? []),
    ],
    ...(unenforced === undefined ? {} : { unenforced }),
  };
  return withSchema(made, schema);
}

/** A kind whose body isn't looked into. */
export function defineLooseKind(
  definition: Pick<ResourceKind, 'group' | 'kind' | 'versions' | 'plural' | 'inert'>,
): ResourceKind {
  return { ...definition, check: () => [] };
}

/** Collects semantic faults. */
export class Faults {
  readonly list: Fault[] = [];
  /** Of the resource that is looked at. */
  readonly namespace: string;

  constructor(namespace = 'default') {
    this.namespace = namespace;
  }

  error(path: string, message: string, remedy?: string): void {
    this.list.push({
      code: 'IST0106',
      level: 'error',
      path,
      message,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }

  warn(path: string, message: string): void {
    this.list.push({ code: 'IST0133', level: 'warning', path, message });
  }
}
