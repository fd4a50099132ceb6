/** Every filter of a snapshot's listeners and routes; those that share a list are met once. */
import type { FilterConfig, Listener } from '../model/snapshot.ts';

export function filtersIn(listeners: readonly Listener[]): readonly FilterConfig[] {
  const lists = new Set<readonly FilterConfig[]>();
  for (const { filters, virtualHosts } of listeners) {
    lists.add(filters);
    for (const { routes } of virtualHosts) for (const route of routes) lists.add(route.filters);
  }
  return [...lists].flat();
}
