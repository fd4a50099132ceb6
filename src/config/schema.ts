/** Admission: documents to resources, or all their faults at once. */
import { closest } from '../lib/similar.ts';
import type { Metadata, Resource } from '../model/api.ts';
import type {
  Admission,
  AdmittedResource,
  Fault,
  ParsedDocument,
  ResourceKind,
} from '../model/config.ts';
import type { Diagnostic } from '../model/diagnostic.ts';

export interface AdmitOptions {
  readonly kinds: readonly ResourceKind[];
  /** For documents that name none. @default default */
  readonly defaultNamespace?: string;
  /** Unknown fields are warnings. @default false */
  readonly lenient?: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const DNS_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const METADATA_FIELDS = new Set([
  'name',
  'generateName',
  'namespace',
  'labels',
  'annotations',
  'creationTimestamp',
  'generation',
  'uid',
  'resourceVersion',
  'managedFields',
  'ownerReferences',
  'finalizers',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]);

const error = (code: string, path: string, message: string, remedy?: string): Fault => ({
  code,
  level: 'error',
  path,
  message,
  ...(remedy === undefined ? {} : { remedy }),
});

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null fields are absent ones; a null list entry is a fault. */
function withoutNulls(value: unknown, path: string, faults: Fault[]): unknown {
  if (Array.isArray(value))
    return value.map((entry: unknown, index) => {
      if (entry === null)
        faults.push(error('LAT0004', `${path}[${index}]`, 'a list entry is null, want a value'));
      return withoutNulls(entry, `${path}[${index}]`, faults);
    });
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (!isFields(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value))
    if (field !== null && field !== undefined)
      kept[key] = withoutNulls(field, path === '' ? key : `${path}.${key}`, faults);
  return kept;
}

function textMap(value: unknown, path: string, faults: Fault[]): void {
  if (value === undefined) return;
  if (!isFields(value)) {
    faults.push(
      error('LAT0004', path, `${JSON.stringify(value)} is no map, want names with text values`),
    );
    return;
  }
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string')
      faults.push(
        error(
          'LAT0004',
          `${path}.${key}`,
          `${JSON.stringify(text)} is a ${typeof text}, want a string`,
          'put the value in quotes',
        ),
      );
}

function checkMetadata(metadata: unknown, faults: Fault[]): void {
  if (!isFields(metadata)) {
    faults.push(error('LAT0004', 'metadata', 'metadata is missing, want at least a name'));
    return;
  }
  for (const field of Object.keys(metadata))
    if (!METADATA_FIELDS.has(field))
      faults.push(unknownField('metadata', field, [...METADATA_FIELDS]));
  const { name, namespace } = metadata;
  if (typeof name !== 'string' || name.length > 253 || !DNS_NAME.test(name))
    faults.push(
      error(
        'LAT0004',
        'metadata.name',
        `name ${JSON.stringify(name)} is no DNS name in lower case`,
      ),
    );
  if (
    namespace !== undefined &&
    (typeof namespace !== 'string' || namespace.length > 63 || !DNS_LABEL.test(namespace))
  )
    faults.push(
      error(
        'LAT0004',
        'metadata.namespace',
        `namespace ${JSON.stringify(namespace)} is no DNS label`,
      ),
    );
  textMap(metadata['labels'], 'metadata.labels', faults);
  textMap(metadata['annotations'], 'metadata.annotations', faults);
}

function unknownField(path: string, field: string, known: readonly string[]): Fault {
  const near = closest(field, known);
  return error(
    'LAT0003',
    `${path}.${field}`,
    `unknown field "${field}"${near === undefined ? '' : `, did you mean "${near}"?`}`,
    near === undefined ? 'remove it' : `write ${near}`,
  );
}

interface KindIndex {
  find(group: string, kind: string): ResourceKind | undefined;
  readonly names: readonly string[];
}

function indexKinds(kinds: readonly ResourceKind[]): KindIndex {
  const byName = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  return {
    find: (group, kind) => byName.get(`${group}/${kind}`),
    names: kinds.map((kind) => kind.kind),
  };
}

function lookupKind(fields: Fields, index: KindIndex, faults: Fault[]): ResourceKind | undefined {
  const { apiVersion, kind } = fields;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    faults.push(error('LAT0002', 'kind', 'apiVersion and kind are required and are text'));
    return undefined;
  }
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const version = apiVersion.slice(slash + 1);
  const found = index.find(group, kind);
  if (found === undefined) {
    const near = closest(kind, index.names);
    const hint = near === undefined || near === kind ? '' : `, did you mean ${near}?`;
    faults.push(
      error('LAT0002', 'kind', `kind ${kind} of ${apiVersion} is not known to this version${hint}`),
    );
    return undefined;
  }
  if (!found.versions.includes(version)) {
    const served = found.versions
      .map((text) => (group === '' ? text : `${group}/${text}`))
      .join(', ');
    faults.push(
      error('LAT0002', 'apiVersion', `${apiVersion} serves no ${kind}, want one of ${served}`),
    );
    return undefined;
  }
  return found;
}

function decodeBase64(text: string): string | undefined {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return undefined;
  }
}

/** Secret and ConfigMap: one map of text. */
function dataOf(fields: Fields): Readonly<Record<string, string>> | undefined {
  const data = isFields(fields['data']) ? fields['data'] : {};
  const plain = isFields(fields['stringData']) ? fields['stringData'] : {};
  if (fields['kind'] !== 'Secret' && fields['kind'] !== 'ConfigMap') return undefined;
  const decoded = Object.entries(data).map(([key, text]): [string, string] => [
    key,
    fields['kind'] === 'Secret' ? (decodeBase64(String(text)) ?? '') : String(text),
  ]);
  const added = Object.entries(plain).map(([key, text]): [string, string] => [key, String(text)]);
  return Object.fromEntries([...decoded, ...added]);
}

function toResource(fields: Fields, kind: ResourceKind, namespace: string): Resource {
  const metadata = fields['metadata'] as Metadata;
  const data = dataOf(fields);
  return {
    group: kind.group,
    version: kind.versions[0] ?? 'v1',
    kind: kind.kind,
    metadata: { ...metadata, namespace: metadata.namespace ?? namespace },
    spec: fields['spec'] ?? {},
    ...(data === undefined ? {} : { data }),
  };
}

export function resourceName(resource: Resource): string {
  return `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`;
}

function admitOne(
  document: ParsedDocument,
  index: KindIndex,
  options: AdmitOptions,
): { readonly admitted?: AdmittedResource; readonly diagnostics: readonly Diagnostic[] } {
  const faults: Fault[] = [];
  const fields = withoutNulls(document.value, '', faults);
  let resource: Resource | undefined;
  if (!isFields(fields)) {
    faults.push(
      error('LAT0001', '', 'a document must be a map with apiVersion, kind and metadata'),
    );
  } else {
    const kind = lookupKind(fields, index, faults);
    checkMetadata(fields['metadata'], faults);
    if (kind !== undefined) faults.push(...kind.check(fields));
    const isSound = faults.every((fault) => !blocks(fault, options));
    if (kind !== undefined && isSound) {
      resource = toResource(fields, kind, options.defaultNamespace ?? 'default');
      faults.push(...(kind.validate?.(resource) ?? []), ...inertNote(kind));
    }
  }
  const name = resource === undefined ? nameOf(fields) : resourceName(resource);
  const diagnostics = faults.map((fault) => locate(fault, document, { name, options }));
  const isRefused = diagnostics.some((diagnostic) => diagnostic.level === 'error');
  return {
    diagnostics,
    ...(resource === undefined || isRefused
      ? {}
      : { admitted: { resource, placeOf: (path: string) => document.placeOf(path) } }),
  };
}

function blocks(fault: Fault, options: AdmitOptions): boolean {
  return fault.level === 'error' && !(options.lenient === true && fault.code === 'LAT0003');
}

function inertNote(kind: ResourceKind): Fault[] {
  if (kind.inert !== true) return [];
  return [
    {
      code: 'LAT0006',
      level: 'warning',
      path: 'kind',
      message: `a mesh has no use for ${kind.kind}: kept, otherwise skipped`,
    },
  ];
}

function nameOf(fields: unknown): string {
  if (!isFields(fields)) return 'document';
  const metadata = isFields(fields['metadata']) ? fields['metadata'] : {};
  return `${String(fields['kind'] ?? 'resource')} ${String(metadata['namespace'] ?? 'default')}/${String(metadata['name'] ?? '?')}`;
}

function locate(
  fault: Fault,
  document: ParsedDocument,
  context: { readonly name: string; readonly options: AdmitOptions },
): Diagnostic {
  const { path, ...rest } = fault;
  const isLenient = fault.level === 'error' && !blocks(fault, context.options);
  return {
    ...rest,
    level: isLenient ? 'warning' : fault.level,
    path,
    resource: context.name,
    place: document.placeOf(path),
  };
}

/** Documents in their order; a key that stands twice is a fault of the second. */
export function admit(documents: readonly ParsedDocument[], options: AdmitOptions): Admission {
  const index = indexKinds(options.kinds);
  const resources: AdmittedResource[] = [];
  const diagnostics: Diagnostic[] = [];
  const seen = new Set<string>();
  for (const document of documents) {
    const { admitted, diagnostics: found } = admitOne(document, index, options);
    diagnostics.push(...found);
    if (admitted === undefined) continue;
    const key = `${admitted.resource.group}/${resourceName(admitted.resource)}`;
    if (seen.has(key)) {
      const twice = error(
        'LAT0007',
        'metadata.name',
        'the same resource stands twice in what was given',
      );
      diagnostics.push(locate(twice, document, { name: resourceName(admitted.resource), options }));
    } else resources.push(admitted);
    seen.add(key);
  }
  return { resources, diagnostics };
}
