/** Listeners of Istio's Gateways and of the Gateway API for the same proxy. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Listener, VirtualHost } from '../../model/snapshot.ts';

const isPlainHttp = ({ protocol }: Listener): boolean => protocol === 'HTTP';

/** A host that stands in both is the first's. */
function joinHosts(
  first: readonly VirtualHost[],
  second: readonly VirtualHost[],
): readonly VirtualHost[] {
  const taken = new Set(first.flatMap(({ domains }) => domains));
  const free = second
    .map((host) => ({ ...host, domains: host.domains.filter((domain) => !taken.has(domain)) }))
    .filter(({ domains }) => domains.length > 0);
  return [...first, ...free];
}

/** On one port HTTP joins HTTP and TLS stands beside TLS, told apart by server name; what speaks otherwise gives way. */
export function mergeListeners(
  first: readonly Listener[],
  second: readonly Listener[],
  diagnostics: Diagnostic[],
): Listener[] {
  const merged = [...first];
  for (const listener of second) {
    const at = first.findIndex(({ port }) => port === listener.port);
    const there = first[at];
    if (
      there === undefined ||
      (there.serverNames !== undefined && listener.serverNames !== undefined)
    )
      merged.push(listener);
    else if (isPlainHttp(there) && isPlainHttp(listener))
      merged[at] = {
        ...there,
        virtualHosts: joinHosts(there.virtualHosts, listener.virtualHosts),
        origins: [...(there.origins ?? []), ...(listener.origins ?? [])],
      };
    else
      diagnostics.push({
        code: 'LAT0113',
        level: 'warning',
        message: `port ${listener.port} speaks ${there.protocol} for a Gateway of Istio's API, so ${listener.name} of the Gateway API is left out`,
        remedy: 'use another port, or one API for the port',
      });
  }
  return merged;
}
