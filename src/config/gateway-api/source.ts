/** Resources of the Gateway API by what is asked of them. */
import { own } from '../../lib/own.ts';
import type {
  ApiGatewaySpec,
  BackendTlsPolicySpec,
  GatewayClassSpec,
  GrpcRouteSpec,
  HttpRouteSpec,
  L4RouteSpec,
  Labels,
  ListenerSetSpec,
  NamespaceChoice,
  ReferenceGrantSpec,
  Resource,
  SelectorExpressions,
  ServiceEntrySpec,
  ServiceSpec,
} from '../../model/api.ts';
import { byAge, compareText } from '../compile/names.ts';
import { API_GROUP, BUILT_IN_CLASSES, CONTROLLERS } from './words.ts';

export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute';

export type RouteSpec = HttpRouteSpec | GrpcRouteSpec | L4RouteSpec;

export type RouteResource = Resource<RouteSpec> & { readonly kind: RouteKind };

/** Something that a reference names. */
export interface Target {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface ApiSource {
  /** Of a class that this mesh serves; oldest first, as all lists. */
  readonly gateways: readonly Resource<ApiGatewaySpec>[];
  readonly classes: readonly Resource<GatewayClassSpec>[];
  readonly listenerSets: readonly Resource<ListenerSetSpec>[];
  readonly routes: readonly RouteResource[];
  readonly backendTlsPolicies: readonly Resource<BackendTlsPolicySpec>[];
  /** Cluster domain, `cluster.local`. */
  readonly domain: string;
  find(target: Target): Resource | undefined;
  service(namespace: string, name: string): Resource<ServiceSpec> | undefined;
  /** A host that a ServiceEntry declares, lower case. */
  entryOf(host: string): Resource<ServiceEntrySpec> | undefined;
  /** Does a ReferenceGrant in the target's namespace let this kind of that namespace refer to it? Inside one namespace always. */
  isGranted(from: { readonly kind: string; readonly namespace: string }, to: Target): boolean;
  /** Does the choice take a resource of `namespace` for an owner of `own`? */
  takesNamespace(choice: NamespaceChoice | undefined, own: string, namespace: string): boolean;
}

const ROUTE_KINDS: ReadonlySet<string> = new Set<RouteKind>([
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
]);

function holds(labels: Labels, { matchLabels, matchExpressions }: SelectorExpressions): boolean {
  const equal = Object.entries(matchLabels ?? {}).every(
    ([key, value]) => own(labels, key) === value,
  );
  const expressed = (matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = own(labels, key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return operator satisfies never;
    }
  });
  return equal && expressed;
}

type Index = ReadonlyMap<string, readonly Resource[]>;

function grantCheck(index: Index): ApiSource['isGranted'] {
  const grants = Map.groupBy(
    (index.get(`${API_GROUP}/ReferenceGrant`) ?? []) as readonly Resource<ReferenceGrantSpec>[],
    ({ metadata }) => metadata.namespace,
  );
  return (from, to) =>
    from.namespace === to.namespace ||
    (grants.get(to.namespace) ?? []).some(
      ({ spec }) =>
        spec.from.some(
          (one) =>
            one.group === API_GROUP && one.kind === from.kind && one.namespace === from.namespace,
        ) &&
        spec.to.some(
          (one) =>
            one.group === to.group &&
            one.kind === to.kind &&
            (one.name === undefined || one.name === '' || one.name === to.name),
        ),
    );
}

function namespaceCheck(index: Index): ApiSource['takesNamespace'] {
  const labels = new Map(
    (index.get('/Namespace') ?? []).map(({ metadata }) => [metadata.name, metadata.labels ?? {}]),
  );
  return (choice, own, namespace) => {
    const { from = 'Same', selector = {} } = choice ?? {};
    switch (from) {
      case 'All':
        return true;
      case 'None':
        return false;
      case 'Selector':
        return holds(
          { 'kubernetes.io/metadata.name': namespace, ...labels.get(namespace) },
          selector,
        );
      case 'Same':
        return namespace === own;
      default:
        return from satisfies never;
    }
  };
}

function isServed(
  { spec }: Resource<ApiGatewaySpec>,
  classes: ReadonlyMap<string, Resource<GatewayClassSpec>>,
): boolean {
  const declared = classes.get(spec.gatewayClassName);
  return declared === undefined
    ? BUILT_IN_CLASSES.has(spec.gatewayClassName)
    : CONTROLLERS.has(declared.spec.controllerName);
}

/** Oldest first, ties by `namespace/name`. */
export function byRouteAge(a: Resource, b: Resource): number {
  const time = ({ metadata }: Resource): number =>
    Date.parse(metadata.creationTimestamp ?? '') || 0;
  const key = ({ metadata }: Resource): string => `${metadata.namespace}/${metadata.name}`;
  return time(a) - time(b) || compareText(key(a), key(b));
}

export function indexSource(resources: readonly Resource[], domain: string): ApiSource {
  const sorted = [...resources].sort(byAge);
  const index = Map.groupBy(sorted, ({ group, kind }) => `${group}/${kind}`);
  const api = <Spec>(kind: string): readonly Resource<Spec>[] =>
    (index.get(`${API_GROUP}/${kind}`) ?? []) as readonly Resource<Spec>[];
  const byKey = new Map(
    sorted.map((one) => [
      `${one.group}/${one.kind}/${one.metadata.namespace}/${one.metadata.name}`,
      one,
    ]),
  );
  const find = ({ group, kind, namespace, name }: Target): Resource | undefined =>
    byKey.get(`${group}/${kind}/${namespace}/${name}`);
  const classes = api<GatewayClassSpec>('GatewayClass');
  const byName = new Map(classes.map((one) => [one.metadata.name, one]));
  const entries = (index.get('networking.istio.io/ServiceEntry') ??
    []) as readonly Resource<ServiceEntrySpec>[];
  const hosts = new Map(
    entries
      .toReversed()
      .flatMap((entry) => entry.spec.hosts.map((host) => [host.toLowerCase(), entry] as const)),
  );
  return {
    gateways: api<ApiGatewaySpec>('Gateway').filter((gateway) => isServed(gateway, byName)),
    classes: classes.filter(({ spec }) => CONTROLLERS.has(spec.controllerName)),
    listenerSets: [...api<ListenerSetSpec>('ListenerSet')].sort(byRouteAge),
    routes: sorted
      .filter((one): one is RouteResource => one.group === API_GROUP && ROUTE_KINDS.has(one.kind))
      .sort(byRouteAge),
    backendTlsPolicies: [...api<BackendTlsPolicySpec>('BackendTLSPolicy')].sort(byRouteAge),
    domain,
    find,
    service: (namespace, name) =>
      find({ group: '', kind: 'Service', namespace, name }) as Resource<ServiceSpec> | undefined,
    entryOf: (host) => hosts.get(host.toLowerCase()),
    isGranted: grantCheck(index),
    takesNamespace: namespaceCheck(index),
  };
}
