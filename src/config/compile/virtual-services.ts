/** Which VirtualServices a proxy takes, in which order, with their delegates put in place. */
import type {
  HttpMatch,
  HttpRoute,
  Resource,
  StringMatchSpec,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { targetOf } from './attached-policies.ts';
import type { CompileContext } from './context.ts';
import { isExportedTo, resolveHost, visibilityRank } from './names.ts';
import type { SourcedRoute } from './routes.ts';
import { step } from './step.ts';
import { table } from './table.ts';

export interface BoundService {
  readonly resource: Resource<VirtualServiceSpec>;
  /** Resolved, lower case. */
  readonly hosts: readonly string[];
  readonly routes: readonly SourcedRoute[];
}

/** `name` and `./name` are of the rule's own namespace; the old `name.ns.svc...` names its namespace. */
export function gatewayName(name: string, namespace: string): string {
  if (name === 'mesh') return name;
  if (name.startsWith('./')) return `${namespace}/${name.slice(2)}`;
  if (name.includes('/')) return name;
  const [short = '', owner, kind] = name.split('.');
  return owner !== undefined && kind === 'svc' ? `${owner}/${short}` : `${namespace}/${name}`;
}

/** Visible to the proxy and bound to the gateway (`mesh` or `namespace/name`), in the order in which they count. */
export function boundServices(context: CompileContext, gateway: string): readonly BoundService[] {
  const all = context.resources<VirtualServiceSpec>('VirtualService');
  const key = { owner: context.scope, slot: `bound ${gateway}`, inputs: [] };
  const rows = table(key, context, [all], (row, own) =>
    ranked(all[row] as Resource<VirtualServiceSpec>, gateway, own),
  );
  return context.memo.keep({ owner: rows, slot: 'in order', inputs: [] }, () =>
    rows
      .filter((one) => one !== undefined)
      .sort((a, b) => a.rank - b.rank)
      .map(({ bound }) => bound),
  );
}

/** Undefined = not for this proxy, or not for this gateway. */
function ranked(
  resource: Resource<VirtualServiceSpec>,
  gateway: string,
  context: CompileContext,
): { readonly rank: number; readonly bound: BoundService } | undefined {
  const { spec, metadata } = resource;
  const exportTo = spec.exportTo ?? context.mesh.defaultVirtualServiceExportTo;
  const { namespace } = context.scope;
  const isBound =
    (spec.gateways ?? ['mesh']).some((name) => gatewayName(name, metadata.namespace) === gateway) ||
    (gateway === 'mesh' && spec.gateways?.length === 0);
  if ((spec.hosts?.length ?? 0) === 0 || !isBound) return undefined;
  if (!isExportedTo(exportTo, metadata.namespace, namespace)) return undefined;
  const hosts = hostsOf(resource, context);
  if (gateway === 'mesh' && !context.sidecar.importsRules(resource, hosts)) return undefined;
  return {
    rank: visibilityRank(exportTo, metadata.namespace, namespace),
    bound: bind(resource, hosts, context),
  };
}

export function hostsOf(
  resource: Resource<VirtualServiceSpec>,
  { memo, mesh }: CompileContext,
): readonly string[] {
  const { domain } = mesh.settings;
  return memo.keep({ owner: resource, slot: 'hosts', inputs: [domain] }, () =>
    (resource.spec.hosts ?? []).map((host) =>
      resolveHost(host, resource.metadata.namespace, domain),
    ),
  );
}

/** The same object where rules and delegates are. */
function bind(
  resource: Resource<VirtualServiceSpec>,
  hosts: readonly string[],
  context: CompileContext,
): BoundService {
  const slot = `bound ${context.mesh.settings.outboundPolicy}`;
  return step({ owner: resource, slot, inputs: [hosts] }, context, (own) => ({
    resource,
    hosts,
    routes: expandRoutes(resource, own),
  }));
}

function normalizeGateways(match: HttpMatch, namespace: string): HttpMatch {
  if (match.gateways === undefined) return match;
  return { ...match, gateways: match.gateways.map((name) => gatewayName(name, namespace)) };
}

/** With the rules of delegates in place of those that name them. */
export function expandRoutes(
  resource: Resource<VirtualServiceSpec>,
  context: CompileContext,
): SourcedRoute[] {
  return (resource.spec.http ?? []).flatMap((route, index) => {
    const path = `spec.http[${index}]`;
    const source = {
      route: withGateways(route, resource.metadata.namespace),
      resource,
      path,
      targets: [targetOf(resource, route.name)],
    };
    return route.delegate === undefined ? [source] : delegateRoutes(source, context);
  });
}

function withGateways(route: HttpRoute, namespace: string): HttpRoute {
  if (route.match === undefined) return route;
  return { ...route, match: route.match.map((match) => normalizeGateways(match, namespace)) };
}

function delegateRoutes(root: SourcedRoute, context: CompileContext): SourcedRoute[] {
  const { name = '', namespace = root.resource.metadata.namespace } = root.route.delegate ?? {};
  const delegate = context.delegates.get(`${namespace}/${name}`);
  const exportTo = delegate?.spec.exportTo ?? context.mesh.defaultVirtualServiceExportTo;
  if (
    delegate === undefined ||
    !isExportedTo(exportTo, namespace, root.resource.metadata.namespace)
  ) {
    context.diagnostics.push({
      code: 'LAT0101',
      level: 'warning',
      message: `delegate ${namespace}/${name} ${delegate === undefined ? 'does not exist' : 'is not exported to this namespace'}: the rule is dropped`,
      resource: `VirtualService ${root.resource.metadata.namespace}/${root.resource.metadata.name}`,
      path: `${root.path}.delegate`,
      remedy: 'apply a VirtualService of that name without hosts, exported to this namespace',
    });
    return [];
  }
  return (delegate.spec.http ?? []).flatMap((route, index) => {
    const merged = mergeDelegate(root.route, withGateways(route, namespace));
    const source = {
      resource: delegate,
      path: `spec.http[${index}]`,
      targets: [...root.targets, targetOf(delegate, route.name)],
      root: { resource: root.resource, path: root.path },
    };
    if (merged !== undefined) return [{ ...source, route: merged }];
    context.diagnostics.push({
      code: 'LAT0102',
      level: 'warning',
      message: 'no match of this rule lies inside a match of the root rule: the rule is dropped',
      resource: `VirtualService ${namespace}/${name}`,
      path: source.path,
      remedy: `let every match be narrower than one of ${root.path} in the root`,
    });
    return [];
  });
}

/** Fields that the delegate sets replace the root's whole; matches are combined where they fit. */
function mergeDelegate(root: HttpRoute, delegate: HttpRoute): HttpRoute | undefined {
  const { delegate: _delegate, match: rootMatches = [], ...rootFields } = root;
  const { match: matches = [], ...fields } = delegate;
  const name = [root.name, delegate.name]
    .filter((part) => part !== undefined && part !== '')
    .join('-');
  const merged: HttpRoute = { ...rootFields, ...fields, ...(name === '' ? {} : { name }) };
  if (rootMatches.length === 0)
    return matches.length === 0 ? merged : { ...merged, match: matches };
  if (matches.length === 0) return { ...merged, match: rootMatches };
  // One entry that lies inside no match of the root drops the whole rule.
  const isSound = matches.every((inner) => rootMatches.some((outer) => isInside(inner, outer)));
  if (!isSound) return undefined;
  const combined = rootMatches.flatMap((outer) =>
    matches.filter((inner) => isInside(inner, outer)).map((inner) => mergeMatch(outer, inner)),
  );
  return combined.length === 0 ? undefined : { ...merged, match: combined };
}

function mergeMatch(outer: HttpMatch, inner: HttpMatch): HttpMatch {
  const name = [outer.name, inner.name]
    .filter((part) => part !== undefined && part !== '')
    .join('-');
  return {
    ...outer,
    ...inner,
    ...(outer.headers === undefined && inner.headers === undefined
      ? {}
      : { headers: { ...outer.headers, ...inner.headers } }),
    ...(outer.withoutHeaders === undefined && inner.withoutHeaders === undefined
      ? {}
      : { withoutHeaders: { ...outer.withoutHeaders, ...inner.withoutHeaders } }),
    ...(outer.queryParams === undefined && inner.queryParams === undefined
      ? {}
      : { queryParams: { ...outer.queryParams, ...inner.queryParams } }),
    ...(outer.sourceLabels === undefined && inner.sourceLabels === undefined
      ? {}
      : { sourceLabels: { ...outer.sourceLabels, ...inner.sourceLabels } }),
    ...(name === '' ? {} : { name }),
  };
}

const isEmpty = (match: StringMatchSpec | undefined): boolean =>
  match === undefined || Object.keys(match).length === 0;

function stringInside(
  inner: StringMatchSpec | undefined,
  outer: StringMatchSpec | undefined,
): boolean {
  if (isEmpty(outer)) return true;
  if (isEmpty(inner)) return true;
  if (outer?.regex !== undefined || inner?.regex !== undefined) return false;
  if (outer?.exact !== undefined) return inner?.exact === outer.exact;
  const prefix = outer?.prefix ?? '';
  return (inner?.exact ?? inner?.prefix ?? '').startsWith(prefix);
}

function mapInside(inner: HttpMatch['headers'], outer: HttpMatch['headers']): boolean {
  return Object.entries(outer ?? {}).every(
    ([name, value]) => inner?.[name] === undefined || stringInside(inner[name], value),
  );
}

/** Istio's conflict rules: every condition of the delegate must lie inside the root's. */
function isInside(inner: HttpMatch, outer: HttpMatch): boolean {
  const strings = (['uri', 'scheme', 'method', 'authority'] as const).every((field) =>
    stringInside(inner[field], outer[field]),
  );
  const maps = (['headers', 'withoutHeaders', 'queryParams'] as const).every((field) =>
    mapInside(inner[field], outer[field]),
  );
  const isSameCase =
    (inner.ignoreUriCase ?? false) === (outer.ignoreUriCase ?? false) || isEmpty(inner.uri);
  const namespaces =
    outer.sourceNamespace === undefined || inner.sourceNamespace === outer.sourceNamespace;
  const ports = outer.port === undefined || inner.port === undefined || outer.port === inner.port;
  const gateways =
    outer.gateways === undefined ||
    (inner.gateways ?? outer.gateways).every((name) => outer.gateways?.includes(name));
  const labels = Object.entries(outer.sourceLabels ?? {}).every(
    ([key, value]) => (inner.sourceLabels?.[key] ?? value) === value,
  );
  return strings && maps && isSameCase && namespaces && ports && gateways && labels;
}
