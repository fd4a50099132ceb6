/** Host names as Istio reads them, and who may see what. */
import { isIp } from '../../lib/cidr.ts';
import type { Resource } from '../../model/api.ts';

/** Short names (no dot) get the namespace of the resource that uses them; all else is taken as it is. */
export function resolveHost(host: string, namespace: string, domain: string): string {
  const lower = host.toLowerCase();
  if (lower.includes('*') || lower.includes('.') || lower === '' || isIp(lower)) return lower;
  return `${lower}.${namespace}.svc.${domain}`;
}

/** Milliseconds since 1970; 0 where no time is known. */
function createdAt({ metadata }: Resource): number {
  return metadata.creationTimestamp === undefined ? 0 : Date.parse(metadata.creationTimestamp) || 0;
}

function byName(a: Resource, b: Resource): number {
  return (
    compareText(a.metadata.name, b.metadata.name) ||
    compareText(a.metadata.namespace, b.metadata.namespace) ||
    compareText(a.group, b.group)
  );
}

/** Oldest first, then name, then namespace; equally old where no time is known. No two of one kind are equal. */
export function byAge(a: Resource, b: Resource): number {
  return createdAt(a) - createdAt(b) || byName(a, b);
}

/** The same for many: each time is read once. */
export function sortByAge(resources: readonly Resource[]): Resource[] {
  return resources
    .map((resource) => ({ resource, at: createdAt(resource) }))
    .sort((a, b) => a.at - b.at || byName(a.resource, b.resource))
    .map(({ resource }) => resource);
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** May `namespace` see a resource of `owner`? */
export function isExportedTo(
  exportTo: readonly string[],
  owner: string,
  namespace: string,
): boolean {
  return exportTo.some(
    (entry) => entry === '*' || entry === namespace || (entry === '.' && owner === namespace),
  );
}

/** Private to the client's namespace, exported to it by name, public: the order in which candidates are asked. */
export function visibilityRank(
  exportTo: readonly string[],
  owner: string,
  namespace: string,
): number {
  if (exportTo.includes('*')) return 2;
  if (owner === namespace && exportTo.every((entry) => entry === '.' || entry === namespace))
    return 0;
  return 1;
}

/** `wide` is a host or wildcard; does it cover `host` (itself perhaps a wildcard)? */
export function covers(wide: string, host: string): boolean {
  if (wide === host || wide === '*') return true;
  return wide.startsWith('*') && host.endsWith(wide.slice(1)) && host.length >= wide.length;
}

/** The narrower of two hosts of which one covers the other. */
export function intersectHosts(a: string, b: string): string | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** Exact before wildcard, longer wildcard before shorter. */
export function bySpecificity(a: string, b: string): number {
  const isWild = (host: string): number => (host.startsWith('*') ? 1 : 0);
  return isWild(a) - isWild(b) || b.length - a.length;
}

/** The names under which a mesh client of `namespace` may call a service. */
export function domainsOf(host: string, namespace: string, domain: string): string[] {
  const suffix = `.svc.${domain}`;
  if (!host.endsWith(suffix)) return [host];
  const [name = '', owner = ''] = host.slice(0, -suffix.length).split('.');
  if (host.slice(0, -suffix.length).split('.').length !== 2) return [host];
  const long = [host, `${name}.${owner}.svc`, `${name}.${owner}`];
  return owner === namespace ? [...long, name] : long;
}

/** Do the labels hold every pair of the selector? */
export function selects(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}
