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
import type { Diagnostic, Place } from '../model/diagnostic.ts';
import { isFields } from '../lib/fields.ts';
import { checkMetadata, error } from './metadata.ts';
import type { Fields } from '../lib/fields.ts';

export interface AdmitOptions {
  readonly kinds: readonly ResourceKind[];
  /** For documents that name none. @default default */
  readonly defaultNamespace?: string;
  /** Unknown fields are warnings. @default false */
  readonly lenient?: boolean;
}

/** Null fields are absent ones; a null list entry is a fault. */
function withoutNulls(value: unknown, path: string, faults: Fault[]): unknown {
  if (Array.isArray(value))
    return value.map((entry: unknown, index) => {
      if (entry === null)
        faults.push(
          error('LAT0004', `${path}[${index}]`, 'a list entry is null, want a value', 'remove it'),
        );
      return withoutNulls(entry, `${path}[${index}]`, faults);
    });
  if (!isFields(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value))
    if (field !== null && field !== undefined)
      kept[key] = withoutNulls(field, path === '' ? key : `${path}.${key}`, faults);
  return kept;
}

interface KindIndex {
  find(group: string, kind: string): ResourceKind | undefined;
  readonly names: readonly string[];
  readonly all: readonly ResourceKind[];
}

function indexKinds(kinds: readonly ResourceKind[]): KindIndex {
  const byName = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  return {
    find: (group, kind) => byName.get(`${group}/${kind}`),
    names: kinds.map((kind) => kind.kind),
    all: kinds,
  };
}

function unknownKind(apiVersion: string, kind: string, index: KindIndex): Fault {
  const near = closest(kind, index.names);
  const served = index.all
    .filter((known) => known.kind === near)
    .map((known) => (known.group === '' ? 'v1' : `${known.group}/${known.versions[0] ?? 'v1'}`));
  const message = `kind ${kind} of ${apiVersion} is not known to this version`;
  if (near === undefined)
    return error('LAT0002', 'kind', message, 'leave it out, or take a version that knows it');
  if (near === kind)
    return error('LAT0002', 'apiVersion', message, `write apiVersion: ${served.join(' or ')}`);
  return error(
    'LAT0002',
    'kind',
    `${message}, did you mean ${near}?`,
    `write kind: ${near} (${served.join(', ')})`,
  );
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
    faults.push(unknownKind(apiVersion, kind, index));
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

/** EndpointSlices have their body beside the metadata. */
function bodyOf(fields: Fields, { group, kind }: ResourceKind): Fields {
  if (group !== 'discovery.k8s.io' || kind !== 'EndpointSlice') return {};
  const { addressType, endpoints, ports } = fields;
  return { addressType, endpoints, ports };
}

function toResource(fields: Fields, kind: ResourceKind, namespace: string): Resource {
  const metadata = fields['metadata'] as Metadata;
  const data = dataOf(fields);
  return {
    group: kind.group,
    version: kind.versions[0] ?? 'v1',
    kind: kind.kind,
    metadata: { ...metadata, namespace: metadata.namespace ?? namespace },
    spec: fields['spec'] ?? bodyOf(fields, kind),
    ...(fields['status'] === undefined ? {} : { status: fields['status'] }),
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
    checkMetadata(fields['metadata'], faults, kind?.group === 'rbac.authorization.k8s.io');
    const nulls = new Set(faults.map((fault) => fault.path));
    faults.push(...(kind?.check(fields) ?? []).filter((fault) => !nulls.has(fault.path)));
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
    ...(resource === undefined || isRefused ? {} : { admitted: withPlaces(resource, document) }),
  };
}

function withPlaces(resource: Resource, document: ParsedDocument): AdmittedResource {
  const sourceMap = document.sourceMap?.bind(document);
  const placeOf = (path: string): Place => document.placeOf(path);
  return { resource, placeOf, ...(sourceMap === undefined ? {} : { sourceMap }) };
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
  const text = (value: unknown, fallback: string): string =>
    typeof value === 'string' ? value : fallback;
  return `${text(fields['kind'], 'resource')} ${text(metadata['namespace'], 'default')}/${text(metadata['name'], '?')}`;
}

function locate(
  fault: Fault,
  document: ParsedDocument,
  context: { readonly name: string; readonly options: AdmitOptions },
): Diagnostic {
  const { path, ...rest } = fault;
  const isLenient = fault.level === 'error' && !blocks(fault, context.options);
  const word = fault.code === 'LAT0004' ? document.wordAt?.(path) : undefined;
  return {
    ...rest,
    ...(word === undefined ? {} : saysWord(fault, word)),
    level: isLenient ? 'warning' : fault.level,
    path,
    resource: context.name,
    place: document.placeOf(path),
  };
}

/** Where text is wanted, what stands unquoted in the file is what a person has to look for. */
function saysWord(fault: Fault, word: string): Pick<Fault, 'message' | 'remedy'> {
  const isText = /want (?:a string|text|one of|a DNS)/.test(fault.message);
  const isNull = fault.message.startsWith('a list entry is null');
  if (!isText && !isNull) return { message: fault.message };
  return {
    message:
      word === '' ? fault.message : `${fault.message} (unquoted ${word} is not text in YAML)`,
    ...(word === '' ? {} : { remedy: `write ${JSON.stringify(word)} in quotes` }),
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
