/** What the rules of a route refer to, as its status tells it. */
import type { BackendRef, RouteFilter } from '../../model/api.ts';
import type { BackendReferrer } from './backends.ts';
import type { GatewayApi } from './resolve.ts';
import type { RouteResource } from './source.ts';
import type { Refusal } from './words.ts';
import { refuse } from './words.ts';

export interface RouteReferences {
  /** The first backend that can't be used, mirrors included. */
  readonly unresolved: Refusal | undefined;
  /** A filter that isn't served. */
  readonly unsupported: Refusal | undefined;
  /** FQDNs of the services that can. */
  readonly hosts: readonly string[];
}

type Rule = {
  readonly backendRefs?: readonly (BackendRef & { readonly filters?: readonly RouteFilter[] })[];
  readonly filters?: readonly RouteFilter[];
};

const rulesOf = ({ spec }: RouteResource): readonly Rule[] => spec.rules ?? [];

function filtersOf(rule: Rule): readonly RouteFilter[] {
  const ofBackends = (rule.backendRefs ?? []).flatMap(({ filters = [] }) => filters);
  return [...(rule.filters ?? []), ...ofBackends];
}

/** Requests that meet such a filter are refused, since going on without it may be unsafe. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['ExternalAuth', 'ExtensionRef']);

export function routeReferences(
  route: RouteResource,
  isMesh: boolean,
  api: GatewayApi,
): RouteReferences {
  const from: BackendReferrer = {
    kind: route.kind,
    namespace: route.metadata.namespace,
    isMesh,
  };
  const rules = rulesOf(route);
  const refs = rules.flatMap((rule) => [
    ...(rule.backendRefs ?? []),
    ...filtersOf(rule).flatMap(({ requestMirror }) =>
      requestMirror === undefined ? [] : [requestMirror.backendRef],
    ),
  ]);
  const backends = refs.map((ref) => api.backend(ref, from));
  const odd = rules.flatMap((rule) => filtersOf(rule)).find(({ type }) => UNSUPPORTED.has(type));
  return {
    unresolved: backends.find(({ refusal }) => refusal !== undefined)?.refusal,
    unsupported:
      odd === undefined
        ? undefined
        : refuse('UnsupportedValue', `filter ${odd.type} isn't served: its rules answer 500`),
    hosts: backends.flatMap((one) => (one.refusal === undefined ? [one.host] : [])),
  };
}
