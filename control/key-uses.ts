/** What the configuration says of key sets: how long a fetch may take, and which services of the mesh answer. */
import { parseDuration } from '../src/lib/duration.ts';
import { keySetName } from '../src/lib/key-set-name.ts';
import type { RequestAuthenticationSpec, Resource, ServiceEntrySpec } from '../src/model/api.ts';
import type { Inventory, Stock } from './inventory.ts';
import { hostOf } from './key-guard.ts';
import { FETCH_TIMEOUT_MS } from './keys.ts';
import type { KeyUses, MeshEndpoint } from './keys.ts';

const MAX_TIMEOUT_MS = 30_000;

function specsOf<Spec>(resources: readonly Resource[], kind: string): readonly Spec[] {
  return resources.filter((one) => one.kind === kind).map(({ spec }) => spec as Spec);
}

/** Names of the key sets that a resource has fetched. */
export function keySetsOf({ kind, spec }: Resource): readonly string[] {
  if (kind !== 'RequestAuthentication') return [];
  const { jwtRules = [] } = (spec ?? {}) as RequestAuthenticationSpec;
  const names = jwtRules.map((rule) => keySetName(rule)).filter((name) => name !== '');
  return [...new Set(names)];
}

function timeoutsOf(resources: readonly Resource[]): ReadonlyMap<string, number> {
  const timeouts = new Map<string, number>();
  for (const { jwtRules = [] } of specsOf<RequestAuthenticationSpec>(
    resources,
    'RequestAuthentication',
  ))
    for (const rule of jwtRules) {
      const ms = parseDuration(rule.timeout ?? '') ?? 0;
      const name = keySetName(rule);
      if (ms > 0)
        timeouts.set(name, Math.min(MAX_TIMEOUT_MS, Math.max(ms, timeouts.get(name) ?? 0)));
    }
  return timeouts;
}

function endpointFor(
  { hosts, ports = [], endpoints = [] }: ServiceEntrySpec,
  host: string,
  number: number,
): MeshEndpoint | undefined {
  const port = ports.find((one) => one.number === number);
  const [endpoint] = endpoints;
  const isHere = hosts.some((name) => name.toLowerCase() === host);
  if (!isHere || port === undefined || endpoint?.address === undefined) return undefined;
  return {
    address: endpoint.address,
    port: endpoint.ports?.[port.name] ?? port.targetPort ?? number,
  };
}

export function createKeyUses(inventory: Inventory): KeyUses {
  let read: { readonly stock: Stock; readonly timeouts: ReadonlyMap<string, number> } | undefined;
  return {
    async timeoutMs(uri) {
      const stock = await inventory.current();
      if (read?.stock !== stock) read = { stock, timeouts: timeoutsOf(stock.resources) };
      return read.timeouts.get(uri) ?? FETCH_TIMEOUT_MS;
    },
    async endpointOf(url) {
      const { resources } = await inventory.current();
      const number = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port);
      const host = hostOf(url);
      for (const spec of specsOf<ServiceEntrySpec>(resources, 'ServiceEntry')) {
        const endpoint = endpointFor(spec, host, number);
        if (endpoint !== undefined) return endpoint;
      }
      return undefined;
    },
  };
}
