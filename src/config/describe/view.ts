/** A host as clients of a namespace see it, and what compile makes for the proxies that carry its traffic. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { ApiGatewaySpec, GatewaySpec, Resource } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Listener, Origin, ProxyScope } from '../../model/snapshot.ts';
import { proxyNamespaces } from '../analyse/gateways.ts';
import type { MeshView } from '../analyse/mesh.ts';
import { createMeshView, findService } from '../analyse/mesh.ts';
import type { CompileContext } from '../compile/context.ts';
import { survey } from '../compile/index.ts';
import { bySpecificity, covers, domainsOf, resolveHost } from '../compile/names.ts';
import type { Service } from '../compile/services.ts';
import { GATEWAY_NAME_LABEL, nameOf } from '../gateway-api/words.ts';

export interface DescribeOptions {
  readonly resources: readonly Resource[];
  /** Full, or short as a client of the namespace may say it; case is no matter. */
  readonly host: string;
  /** @default the namespace of the service, of a short name `default` */
  readonly namespace?: string;
  /** Of all resources. */
  readonly findings: readonly Diagnostic[];
}

/** Rules that reach proxies of one scope, as `Kind namespace/name path`. */
export interface Carried {
  /** Those that a request for the host may meet. */
  readonly forHost: ReadonlySet<string>;
  readonly all: ReadonlySet<string>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Everything but the host. */
export interface Ground {
  readonly mesh: MeshView;
  readonly contextOf: (scope: ProxyScope) => CompileContext;
  readonly listenersOf: (context: CompileContext) => readonly Listener[];
}

export interface View extends Ground {
  /** Full, lower case. */
  readonly host: string;
  readonly namespace: string;
  readonly service: Service | undefined;
  /** A client in the namespace without labels. */
  readonly client: CompileContext;
  readonly carriedBy: (scope: ProxyScope) => Carried;
}

export const DEFAULT_NAMESPACE = 'default';

export function groundOf(resources: readonly Resource[]): Ground {
  const { contextOf, listenersOf } = survey(resources);
  const contexts = new Map<string, CompileContext>();
  const listeners = new Map<CompileContext, readonly Listener[]>();
  return {
    mesh: createMeshView(resources),
    contextOf(scope) {
      const key = canonicalJson(scope);
      const context = contexts.get(key) ?? contextOf(scope);
      contexts.set(key, context);
      return context;
    },
    listenersOf(context) {
      const made = listeners.get(context) ?? listenersOf(context);
      listeners.set(context, made);
      return made;
    },
  };
}

export const clientScope = (namespace: string): ProxyScope => ({
  type: 'sidecar-outbound',
  namespace,
  name: 'describe',
  labels: {},
});

/** Of an Istio Gateway: all that is known of its proxies is what it selects them by. */
export function gatewayScopes(gateway: Resource<GatewaySpec>, mesh: MeshView): ProxyScope[] {
  return proxyNamespaces(gateway, mesh).map((namespace) => ({
    type: 'gateway',
    namespace,
    name: gateway.metadata.name,
    labels: gateway.spec.selector ?? {},
  }));
}

export function apiGatewayScope({ metadata }: Resource<ApiGatewaySpec>): ProxyScope {
  const { namespace, name } = metadata;
  return { type: 'gateway', namespace, name, labels: { [GATEWAY_NAME_LABEL]: name } };
}

/** Origins may name a part of a rule. */
const RULE = /^spec\.(?:http|tls|tcp|rules)\[\d+\]/;

export const ruleKey = ({ resource, path }: Origin): string =>
  `${resource} ${RULE.exec(path)?.[0] ?? path}`;

function carriedFrom(
  listeners: readonly Listener[],
  host: string,
): Pick<Carried, 'all' | 'forHost'> {
  const all = new Set<string>();
  const forHost = new Set<string>();
  for (const { virtualHosts, connections = [] } of listeners) {
    const nearest = virtualHosts
      .flatMap(({ domains }) => domains.filter((domain) => covers(domain, host)))
      .sort(bySpecificity)[0];
    for (const { domains, routes } of virtualHosts)
      for (const { origin } of routes) {
        all.add(ruleKey(origin));
        if (nearest !== undefined && domains.includes(nearest)) forHost.add(ruleKey(origin));
      }
    for (const { serverNames, origin } of connections) {
      all.add(ruleKey(origin));
      if (serverNames?.some((name) => covers(name, host)) !== false) forHost.add(ruleKey(origin));
    }
  }
  return { all, forHost };
}

/** By any of its names, as a client of `namespace` may say them; a full name before a short one. */
function namedService(host: string, namespace: string, ground: Ground): Service | undefined {
  const { mesh, contextOf } = ground;
  const context = contextOf(clientScope(namespace));
  const visible = context.registry.visibleTo(namespace);
  return (
    visible.get(host) ??
    [...visible.values()].find((one) =>
      domainsOf(one.host, namespace, mesh.domain).includes(host),
    ) ??
    findService(host, namespace, mesh)
  );
}

/** Of who says no namespace: one that only its own namespace may see is found there. */
function foundElsewhere(host: string, ground: Ground): Service | undefined {
  const { mesh, contextOf } = ground;
  const owners = [...mesh.of('Service', ''), ...mesh.of('ServiceEntry')];
  const namespaces = [...new Set(owners.map(({ metadata }) => metadata.namespace))].sort();
  const { registry } = contextOf(clientScope(DEFAULT_NAMESPACE));
  return namespaces
    .flatMap((namespace) => [...registry.visibleTo(namespace).values()])
    .find((one) => domainsOf(one.host, DEFAULT_NAMESPACE, mesh.domain).includes(host));
}

function viewOf(
  found: { readonly host: string; readonly service: Service | undefined },
  namespace: string,
  ground: Ground,
): View {
  const carried = new Map<CompileContext, Carried>();
  return {
    ...ground,
    ...found,
    namespace,
    client: ground.contextOf(clientScope(namespace)),
    carriedBy(scope) {
      const context = ground.contextOf(scope);
      const known = carried.get(context);
      if (known !== undefined) return known;
      const listeners = ground.listenersOf(context);
      const made = { ...carriedFrom(listeners, found.host), diagnostics: context.diagnostics };
      carried.set(context, made);
      return made;
    },
  };
}

/** What the host may mean, the likeliest first. */
export function viewsOf(options: DescribeOptions, ground: Ground): View[] {
  const given = options.host
    .toLowerCase()
    .replace(/^([^:]+):\d+$/, '$1')
    .replace(/\.$/, '');
  const namespace = options.namespace ?? DEFAULT_NAMESPACE;
  const service =
    namedService(given, namespace, ground) ??
    (options.namespace === undefined ? foundElsewhere(given, ground) : undefined);
  if (service !== undefined) {
    // A wildcard is the service of many hosts.
    const host = service.host.startsWith('*') ? given : service.host;
    return [viewOf({ host, service }, options.namespace ?? service.namespace, ground)];
  }
  const { domain } = ground.mesh;
  // Rules may name a service that isn't there.
  const full = [`${given}.svc.${domain}`, `${given}.${domain}`].filter((host) =>
    domainsOf(host, namespace, domain).includes(given),
  );
  const hosts = [given, resolveHost(given, namespace, domain), ...full];
  return [...new Set(hosts)].map((host) => viewOf({ host, service: undefined }, namespace, ground));
}

export const place = (resource: Resource, path: string): { resource: string; path: string } => ({
  resource: nameOf(resource),
  path,
});
