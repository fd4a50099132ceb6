import type { NameConstraints } from './extensions.ts';

/** RFC 5280, 4.2.1.10: a host, or all below a domain. */
const covers = (base: string, host: string): boolean =>
  base.startsWith('.') ? host.endsWith(base) : host === base;

/** Whether an authority may certify URIs of a host. @param host lower case */
export function permitsUriHost(
  { permittedUris, excludedUris }: NameConstraints,
  host: string,
): boolean {
  if (excludedUris.some((base) => covers(base, host))) return false;
  return permittedUris?.some((base) => covers(base, host)) ?? true;
}
