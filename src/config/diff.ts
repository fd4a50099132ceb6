/** What applying would change: resources by key, fields by path. */
import type { Fields } from '../lib/fields.ts';
import { isFields } from '../lib/fields.ts';
import type { Resource } from '../model/api.ts';
import { joinPath } from './path.ts';

export interface FieldChange {
  readonly path: string;
  /** Absent: the field is new. */
  readonly before?: unknown;
  /** Absent: the field goes. */
  readonly after?: unknown;
}

export interface ResourceChange {
  /** `group/Kind namespace/name`; core kinds without group. */
  readonly key: string;
  readonly op: 'create' | 'update' | 'unchanged' | 'delete';
  /** Of an update only, in the order of the paths. */
  readonly changes: readonly FieldChange[];
}

/** Set by the store; a file never has them, so they are no change. */
const STORED = new Set(['creationTimestamp', 'generation', 'uid', 'resourceVersion']);
/** Shown in place of a Secret's text, so that a diff can be logged. */
const HIDDEN = '(hidden)';

export function resourceKey({ group, kind, metadata }: Resource): string {
  const type = group === '' ? kind : `${group}/${kind}`;
  return `${type} ${metadata.namespace}/${metadata.name}`;
}

function collect(before: unknown, after: unknown, path: string, changes: FieldChange[]): void {
  if (isFields(before) && isFields(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    for (const key of keys) collect(before[key], after[key], joinPath(path, key), changes);
    return;
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let index = 0; index < Math.max(before.length, after.length); index++)
      collect(before[index], after[index], `${path}[${index}]`, changes);
    return;
  }
  if (before === after) return;
  changes.push({
    path,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  });
}

/** What a person writes of a resource; the version is normalised and so never differs. */
function written(resource: Resource): Fields {
  const metadata = Object.fromEntries(
    Object.entries(resource.metadata).filter(([field]) => !STORED.has(field)),
  );
  return {
    metadata,
    spec: resource.spec,
    ...(resource.data === undefined ? {} : { data: resource.data }),
  };
}

function hideData(change: FieldChange): FieldChange {
  if (change.path !== 'data' && !/^data[.[]/.test(change.path)) return change;
  return {
    path: change.path,
    ...(change.before === undefined ? {} : { before: HIDDEN }),
    ...(change.after === undefined ? {} : { after: HIDDEN }),
  };
}

function compare(before: Resource, after: Resource): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  collect(written(before), written(after), '', changes);
  return after.kind === 'Secret' ? changes.map((change) => hideData(change)) : changes;
}

/** Changes from one set of resources to another, ordered by key. What stands in `before` only is deleted. */
export function diffResources(
  before: readonly Resource[],
  after: readonly Resource[],
): readonly ResourceChange[] {
  const old = new Map(before.map((resource) => [resourceKey(resource), resource]));
  const wanted = new Map(after.map((resource) => [resourceKey(resource), resource]));
  const keys = [...new Set([...old.keys(), ...wanted.keys()])].sort();
  return keys.map((key): ResourceChange => {
    const was = old.get(key);
    const is = wanted.get(key);
    if (was === undefined) return { key, op: 'create', changes: [] };
    if (is === undefined) return { key, op: 'delete', changes: [] };
    const changes = compare(was, is);
    return { key, op: changes.length === 0 ? 'unchanged' : 'update', changes };
  });
}
