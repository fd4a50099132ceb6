/** Resources in the store: keys, server-side metadata, transactions of many documents. */
import { canonicalJson } from '../src/lib/canonical-json.ts';
import { analyse } from '../src/config/analyse/index.ts';
import { notEnforced } from '../src/config/findings.ts';
import { readConfig } from '../src/config/pipeline.ts';
import type { Resource } from '../src/model/api.ts';
import type { AdmittedResource, Admission, SourceMap, SourceText } from '../src/model/config.ts';
import type { Diagnostic } from '../src/model/diagnostic.ts';
import type { Store, StoreChange } from '../src/model/store.ts';
import { kinds } from '../src/presets/control.ts';
import type { Target, Verb } from './access/rights.ts';
import { targetOf } from './access/rights.ts';
import { Problem } from './problem.ts';

export const RESOURCE_PREFIX = 'r/';
/** The name of a source that is a request's body, without a file. */
export const BODY = 'body';

export function keyOf(resource: Pick<Resource, 'group' | 'kind' | 'metadata'>): string {
  const { group, kind, metadata } = resource;
  return `${RESOURCE_PREFIX}${group === '' ? 'core' : group}/${kind}/${metadata.namespace}/${metadata.name}`;
}

export function nameOf(resource: Pick<Resource, 'kind' | 'metadata'>): string {
  return `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`;
}

/** As a resource stands in the store: with where its text stood, which is nobody's configuration. */
interface StoredResource extends Resource {
  readonly source?: SourceMap;
}

/** A resource of the store, without what is only kept beside it. */
export function readResource(value: string, revision: number): Resource {
  const { source: _source, ...resource } = JSON.parse(value) as StoredResource;
  return { ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } };
}

/** Where the text of a stored resource stood in the file that it was applied from. */
export function readSourceMap(value: string): SourceMap | undefined {
  return (JSON.parse(value) as StoredResource).source;
}

export interface ApplyOptions {
  /** All resources of the newest revision, by their keys. */
  readonly stock: () => Promise<{
    readonly revision: number;
    readonly resources: readonly Resource[];
  }>;
  /** How many resources the store may hold in all: what its home can compile. */
  readonly maxResources: number;
  readonly sources: readonly SourceText[];
  readonly namespace: string;
  readonly dryRun: boolean;
  readonly lenient: boolean;
  /** Undefined = who asks may do it; else why not. */
  readonly refusal: (verb: Verb, target: Target) => string | undefined;
  readonly actor: string;
  readonly message: string;
  readonly nowMs: number;
  /** Revision that every one of them must still have; 0 = must not exist. */
  readonly ifRevision?: number;
}

export interface ApplyResult {
  readonly revision: number;
  readonly results: readonly {
    readonly resource: string;
    readonly result: 'created' | 'configured' | 'unchanged' | 'deleted';
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

function admitAll(options: ApplyOptions): Admission {
  const admission = readConfig(options.sources, {
    kinds,
    defaultNamespace: options.namespace,
    lenient: options.lenient,
  });
  const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
  if (errors.length > 0)
    throw new Problem(
      422,
      'invalid configuration',
      `${errors.length} ${errors.length === 1 ? 'fault' : 'faults'}, nothing was applied`,
      admission.diagnostics,
    );
  if (admission.resources.length === 0)
    throw new Problem(422, 'invalid configuration', 'no resource was given');
  return admission;
}

/** A name that means something beyond this request. */
const isFile = ({ sources }: ApplyOptions): boolean => sources.every(({ file }) => file !== BODY);

/** Server-side fields: creation time and uid stay, generation counts changes of the spec; a status that was given is nobody's. */
function nextVersion(
  { status: _status, ...given }: Resource,
  before: Resource | undefined,
  nowMs: number,
): Resource {
  const { resourceVersion: _version, ...metadata } = given.metadata;
  const isSame =
    before !== undefined &&
    canonicalJson([before.spec, before.data]) === canonicalJson([given.spec, given.data]);
  const generation = (before?.metadata.generation ?? 0) + (isSame ? 0 : 1);
  const creationTimestamp =
    before?.metadata.creationTimestamp ??
    given.metadata.creationTimestamp ??
    `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  return { ...given, metadata: { ...metadata, creationTimestamp, generation } };
}

/** One that may not be touched refuses them all. @throws Problem 403 */
export function requireRights(
  touched: readonly { readonly verb: Verb; readonly target: Target }[],
  refusal: ApplyOptions['refusal'],
): void {
  const errors = touched.flatMap(({ verb, target }): Diagnostic[] => {
    const message = refusal(verb, target);
    if (message === undefined) return [];
    const { kind, namespace, name = '' } = target;
    const resource = `${kind.split('/').at(-1) ?? ''} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    return [{ code: 'LAT0301', level: 'error', message, resource }];
  });
  const [first] = errors;
  if (first === undefined) return;
  const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`;
  throw new Problem(403, 'forbidden', `${first.message}${more}; nothing was changed`, errors);
}

/** What the store holds under the keys of the given resources. */
async function storedOf(
  store: Store,
  resources: readonly Resource[],
): Promise<Map<string, { readonly value: string; readonly resource: StoredResource }>> {
  const found = new Map<string, { value: string; resource: StoredResource }>();
  for (const resource of resources) {
    const key = keyOf(resource);
    const record = await store.get(key);
    if (record !== undefined)
      found.set(key, {
        value: record.value,
        resource: JSON.parse(record.value) as StoredResource,
      });
  }
  return found;
}

/** More than this home can compile is refused whole, before anything is written. */
function requireRoom(have: number, options: ApplyOptions): void {
  if (have > options.maxResources)
    throw new Problem(
      413,
      'too many resources',
      `${have} resources would be stored, this control plane holds at most ${options.maxResources}; nothing was applied`,
    );
}

export async function applyDocuments(store: Store, options: ApplyOptions): Promise<ApplyResult> {
  const { resources: admission, diagnostics } = admitAll(options);
  const resources = admission.map(({ resource }) => resource);
  requireRoom(resources.length, options);
  const { revision, resources: stored } = await options.stock();
  const known = await storedOf(store, resources);
  requireRights(
    resources.map((resource) => {
      const before = known.get(keyOf(resource))?.resource;
      return {
        verb: before === undefined ? 'create' : 'update',
        target: targetOf(resource, before),
      } as const;
    }),
    options.refusal,
  );
  const keys = new Set([...stored, ...resources].map((resource) => keyOf(resource)));
  requireRoom(keys.size, options);
  const condition = options.ifRevision === undefined ? {} : { ifRevision: options.ifRevision };
  const changes: StoreChange[] = [];
  const results: { resource: string; result: 'created' | 'configured' | 'unchanged' }[] = [];
  for (const admitted of admission) {
    const { resource } = admitted;
    const key = keyOf(resource);
    const found = known.get(key);
    const before = found?.resource;
    const next = nextVersion(resource, before, options.nowMs);
    const source = isFile(options) ? admitted.sourceMap?.() : undefined;
    const value = canonicalJson(source === undefined ? next : { ...next, source });
    // Text that moved is written too, or explanations would point to where it stood once.
    if (found?.value !== value) changes.push({ op: 'put', key, value, ...condition });
    const { source: _source, ...was } = before ?? {};
    const isUnchanged = canonicalJson(was) === canonicalJson(next);
    results.push({
      resource: nameOf(resource),
      result: isUnchanged ? 'unchanged' : before === undefined ? 'created' : 'configured',
    });
  }
  const findings = [...diagnostics, ...findingsWith(stored, admission)];
  if (options.dryRun || changes.length === 0) return { revision, results, diagnostics: findings };
  return {
    revision: await commit(store, changes, { ...options, revision }),
    results,
    diagnostics: findings,
  };
}

/** One document, which must be of the given key. */
export async function applyOne(
  store: Store,
  options: ApplyOptions & { readonly key: string },
): Promise<ApplyResult> {
  const given = admitAll(options).resources.map(({ resource }) => keyOf(resource));
  if (given.length !== 1 || given[0] !== options.key)
    throw new Problem(
      422,
      'invalid configuration',
      `the body names ${given.map((key) => key.slice(RESOURCE_PREFIX.length)).join(', ')}, the address ${options.key.slice(RESOURCE_PREFIX.length)}`,
    );
  return applyDocuments(store, options);
}

/** kubectl leaves a whole copy of what it applied there. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Secrets are for the mesh alone: people see their keys. */
export function redact(resource: Resource): Resource {
  if (resource.kind !== 'Secret') return resource;
  const { data = {}, metadata } = resource;
  const { annotations = {} } = metadata;
  return {
    ...resource,
    metadata:
      annotations[LAST_APPLIED] === undefined
        ? metadata
        : { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: '<hidden>' } },
    data: Object.fromEntries(Object.keys(data).map((key) => [key, '<hidden>'])),
  };
}

/** What analysis says of the given resources among all others; it warns, since the missing part may come next. */
function findingsWith(
  stored: readonly Resource[],
  given: readonly AdmittedResource[],
): Diagnostic[] {
  const names = new Set(given.map(({ resource }) => keyOf(resource)));
  const others = stored
    .filter((resource) => !names.has(keyOf(resource)))
    .map((resource) => ({ resource, placeOf: () => undefined }));
  const own = new Set(given.map(({ resource }) => nameOf(resource)));
  return [...analyse([...others, ...given]), ...notEnforced(given, kinds)]
    .filter((finding) => own.has(finding.resource ?? ''))
    .map((finding) => ({
      ...finding,
      level: finding.level === 'error' ? 'warning' : finding.level,
    }));
}

export async function deleteDocuments(store: Store, options: ApplyOptions): Promise<ApplyResult> {
  const { resources, diagnostics } = admitAll(options);
  const revision = await store.revision();
  const given = resources.map(({ resource }) => resource);
  const known = await storedOf(store, given);
  requireRights(
    given.map((resource) => ({
      verb: 'delete',
      target: targetOf(resource, known.get(keyOf(resource))?.resource),
    })),
    options.refusal,
  );
  const present = given.filter((resource) => known.has(keyOf(resource)));
  const results = present.map((resource) => ({
    resource: nameOf(resource),
    result: 'deleted' as const,
  }));
  if (options.dryRun || present.length === 0) return { revision, results, diagnostics };
  const changes = present.map((resource): StoreChange => ({ op: 'delete', key: keyOf(resource) }));
  return { revision: await commit(store, changes, { ...options, revision }), results, diagnostics };
}

/** The whole store's revision is compared: what was judged is what is written. */
async function commit(
  store: Store,
  changes: readonly StoreChange[],
  by: { actor: string; message: string; nowMs: number; revision: number },
): Promise<number> {
  const result = await store.commit(changes, {
    actor: by.actor,
    message: by.message,
    atMs: by.nowMs,
    ifStoreRevision: by.revision,
  });
  if (!result.ok)
    throw new Problem(
      409,
      'conflict',
      'somebody else changed the configuration meanwhile: try again',
    );
  return result.revision;
}
