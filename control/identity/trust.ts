/** What proxies are to believe, of the authority's records and the mesh's domains. */
import type { TrustSettings } from '../../src/model/trust.ts';
import type { MeshDomains } from '../mesh-domains.ts';
import type { View } from './view.ts';

/** Generations that peers may have certificates of. */
function believed({ state, generations }: View): string[] {
  if (state === undefined) return [];
  const numbers = [state.signer, state.next, state.previous];
  const roots = numbers.flatMap((number) =>
    number === undefined ? [] : (generations.get(number)?.root ?? []),
  );
  return [...new Set(roots)].sort();
}

/** Undefined = no authority was set up. The same lists, whatever the order in which they came about. */
export function trustOf(
  view: View,
  { trustDomain, aliases }: MeshDomains,
): TrustSettings | undefined {
  if (view.state === undefined) return undefined;
  const own = believed(view);
  const ownKeys = view.tokenKeys
    .map(({ publicKey }) => publicKey)
    .toSorted((a, b) => (String(a['kid']) < String(b['kid']) ? -1 : 1));
  const others = [...view.federations.values()].filter((one) => one.trustDomain !== trustDomain);
  // Of a domain with a bundle of its own, this mesh's roots say nothing, whatever it calls itself.
  const apart = new Set(others.map((one) => one.trustDomain));
  const domains = [trustDomain, ...aliases.filter((alias) => !apart.has(alias))];
  return {
    roots: Object.fromEntries([
      ...domains.map((domain) => [domain, own] as const),
      ...others.map((one) => [one.trustDomain, one.roots] as const),
    ]),
    tokenKeys: Object.fromEntries([
      ...domains.map((domain) => [domain, ownKeys] as const),
      ...others.map((one) => [one.trustDomain, one.tokenKeys] as const),
    ]),
    denied: {
      serials: [...view.serials.keys()].sort(),
      identities: [...view.identities.keys()].sort(),
    },
  };
}
