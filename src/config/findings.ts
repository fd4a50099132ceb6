/** Everything that can be said of admitted resources together: analysis, what no runtime enforces, what compile met. */
import type { AdmittedResource, ResourceKind } from '../model/config.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { PolicyCompiler } from '../model/policy.ts';
import type { ProxyScope } from '../model/snapshot.ts';
import { analyse } from './analyse/index.ts';
import { createCompiler } from './compile/index.ts';

export interface FindingsOptions {
  readonly kinds: readonly ResourceKind[];
  readonly policyCompilers: readonly PolicyCompiler[];
}

const nameOf = ({ resource: { kind, metadata } }: AdmittedResource): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;

/** Parts of admitted resources that no runtime of this version enforces, or that not every runtime does. */
export function notEnforced(
  admitted: readonly AdmittedResource[],
  kinds: readonly ResourceKind[],
): Diagnostic[] {
  const known = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  return admitted.flatMap((entry) => {
    const { resource, placeOf } = entry;
    const kind = known.get(`${resource.group}/${resource.kind}`);
    return (kind?.notEnforced?.(resource) ?? []).map(({ path, reason, only }): Diagnostic => {
      const place = placeOf(path);
      return {
        code: only === undefined ? 'LAT0103' : 'LAT0114',
        level: 'info',
        message: `${only === undefined ? 'not enforced' : 'enforced by Node proxies alone'}: ${reason}`,
        path,
        resource: nameOf(entry),
        ...(place === undefined ? {} : { place }),
      };
    });
  });
}

/** What compile finds for a client in each namespace that holds a resource. */
function compileFindings(
  admitted: readonly AdmittedResource[],
  compilers: readonly PolicyCompiler[],
): Diagnostic[] {
  const resources = admitted.map(({ resource }) => resource);
  const namespaces = [...new Set(resources.map((resource) => resource.metadata.namespace))];
  const compiler = createCompiler(compilers);
  const found = namespaces.flatMap((namespace) => {
    const scope: ProxyScope = { type: 'sidecar-outbound', namespace, name: 'analyze', labels: {} };
    return compiler.diagnose({ resources, scope });
  });
  const places = new Map(admitted.map((entry) => [nameOf(entry), entry.placeOf]));
  const unique = new Map(found.map((finding) => [JSON.stringify(finding), finding]));
  return [...unique.values()].map((finding) => {
    const place = places.get(finding.resource ?? '')?.(finding.path ?? '');
    return place === undefined ? finding : { ...finding, place };
  });
}

export function findings(
  admitted: readonly AdmittedResource[],
  { kinds, policyCompilers }: FindingsOptions,
): Diagnostic[] {
  return [
    ...analyse(admitted),
    ...notEnforced(admitted, kinds),
    ...compileFindings(admitted, policyCompilers),
  ];
}
