/** Conformance case files: reading, placeholders, and which cases a selection takes. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { CONTROLLER_NAME } from '../../src/config/gateway-api/status.ts';
import { namelessCertificatePem, keyPem } from '../fixtures/certificates.ts';

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
  /** Why the case couldn't be read; it then counts as one that failed. */
  readonly unreadable?: string;
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

function parseEntry(text: string): ConformanceCase {
  try {
    return (parse(text) as ConformanceCase[])[0] as ConformanceCase;
  } catch {
    // Lines that go on inside quotes may stand no deeper than their mapping, which YAML doesn't let pass.
    return (
      parse(text.replaceAll(/\n\n( +)/g, '\n\n$1    ')) as ConformanceCase[]
    )[0] as ConformanceCase;
  }
}

/** Case by case, so that one that can't be read hides no other. */
function readEntries(file: string): ConformanceCase[] {
  return readFileSync(file, 'utf8')
    .split(/^(?=- id:)/m)
    .filter((text) => text.startsWith('- id:'))
    .map((text): ConformanceCase => {
      try {
        return parseEntry(text);
      } catch (error) {
        const id = /^- id: *(\S+)/.exec(text)?.[1] ?? 'unnamed';
        const unreadable =
          error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'not YAML';
        return { file, id, title: '', tags: [], resources: '', unreadable };
      }
    });
}

/** @throws Error naming the file when it isn't a list of cases, or an id stands twice. */
export function loadCases(paths: readonly string[]): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const seen = new Map<string, string>();
  for (const file of paths.flatMap((path) => yamlFiles(path))) {
    for (const entry of readEntries(file)) {
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

/** Does the case use nothing but these kinds? A name is `group/Kind` or `Kind`. */
export function usesOnly(entry: ConformanceCase, kinds: ReadonlySet<string>): boolean {
  return documentsOf(entry.resources).every((resource) => {
    const name = kindName(resource);
    return kinds.has(name) || kinds.has(name.slice(name.indexOf('/') + 1));
  });
}

/** `MINT` in a Secret or ConfigMap, by the key that it stands under. */
function mintPem(text: string): string {
  return text.replaceAll(
    /\b((?:tls|ca|cacert)(?:\.(?:crt|key))?|cert|key): MINT\b(?!_)/g,
    (_all, key: string) =>
      `${key}: ${JSON.stringify(key.endsWith('key') ? keyPem : namelessCertificatePem)}`,
  );
}

/** The class under test belongs to this mesh, whether or not a case declares it. */
function ownClass(text: string): string {
  const named = text.replaceAll('implementation.example/controller', CONTROLLER_NAME);
  if (
    !/gatewayClassName: standard\b/.test(named) ||
    /kind: GatewayClass\s+metadata: \{name: standard\}/.test(named)
  )
    return named;
  return `${named.trimEnd()}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: standard}
spec: {controllerName: ${CONTROLLER_NAME}}
`;
}

/** Replaces the placeholders that stand in resources. */
export function fillResources(text: string, jwks: string): string {
  return ownClass(mintPem(text.replaceAll('{{JWKS}}', JSON.stringify(jwks).slice(1, -1))));
}
