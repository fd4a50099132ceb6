/** Conformance case files: reading, placeholders, and which cases a selection takes. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

export interface CaseRequest {
  readonly method?: string;
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly peer?: { readonly ip?: string; readonly principal?: string };
  readonly tls?: { readonly sni?: string; readonly mutual?: boolean };
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly token?: string | null;
  readonly random?: number;
}

export interface Check {
  readonly request?: CaseRequest;
  readonly expect: Readonly<Record<string, unknown>>;
}

export interface CaseProxy {
  readonly type: 'gateway' | 'sidecar-outbound' | 'sidecar-inbound';
  readonly namespace: string;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly service?: string;
}

export interface ConformanceCase {
  readonly file: string;
  readonly id: string;
  readonly title: string;
  readonly checked?: string;
  readonly tags: readonly string[];
  readonly resources: string;
  readonly proxy?: CaseProxy;
  readonly checks?: readonly Check[];
  readonly valid?: boolean;
  readonly at?: string;
  readonly about?: string;
  readonly findings?: readonly string[];
}

function yamlFiles(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return yamlFiles(child);
      return /\.ya?ml$/.test(entry.name) ? [child] : [];
    })
    .sort();
}

/** @throws Error naming the file when it isn't a list of cases, or an id stands twice. */
export function loadCases(paths: readonly string[]): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const seen = new Map<string, string>();
  for (const file of paths.flatMap((path) => yamlFiles(path))) {
    const list: unknown = parse(readFileSync(file, 'utf8'));
    if (!Array.isArray(list)) throw new Error(`${file}: want a list of cases`);
    for (const entry of list as ConformanceCase[]) {
      if (typeof entry.id !== 'string' || typeof entry.resources !== 'string')
        throw new Error(`${file}: a case needs id and resources`);
      const other = seen.get(entry.id);
      if (other !== undefined) throw new Error(`${file}: case ${entry.id} stands in ${other} too`);
      seen.set(entry.id, file);
      cases.push({ ...entry, file, tags: entry.tags ?? [] });
    }
  }
  return cases;
}

interface LooseResource {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
}

function documentsOf(text: string): LooseResource[] {
  return parseAllDocuments(text, { uniqueKeys: false, version: '1.1' })
    .map((document) => document.toJS() as LooseResource | null)
    .filter((value) => value !== null && typeof value === 'object');
}

/** `networking.istio.io/Gateway`, `core/Service`. */
export function kindName(resource: LooseResource): string {
  const parts = (resource.apiVersion ?? '').split('/');
  return `${parts.length > 1 ? parts[0] : 'core'}/${resource.kind ?? ''}`;
}

/**
 * Does the case use nothing but these kinds? A name is `group/Kind` or `Kind`; actions and protocols count too:
 * CUSTOM authorization needs `AuthorizationPolicy:CUSTOM`, tls and tcp rules need `VirtualService:tls`, `:tcp`.
 */
export function usesOnly(entry: ConformanceCase, kinds: ReadonlySet<string>): boolean {
  const has = (group: string, suffix = ''): boolean =>
    kinds.has(`${group}${suffix}`) || kinds.has(`${group.slice(group.indexOf('/') + 1)}${suffix}`);
  return documentsOf(entry.resources).every((resource) => {
    const name = kindName(resource);
    if (!has(name)) return false;
    const spec = resource.spec ?? {};
    if (spec['action'] === 'CUSTOM' && !has(name, ':CUSTOM')) return false;
    if (resource.kind !== 'VirtualService') return true;
    return ['tls', 'tcp'].every((part) => spec[part] === undefined || has(name, `:${part}`));
  });
}

/** Replaces the placeholders that stand in resources. */
export function fillResources(text: string, jwks: string): string {
  return text.replaceAll('{{JWKS}}', JSON.stringify(jwks).slice(1, -1));
}
