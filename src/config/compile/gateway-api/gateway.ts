/** Listeners of the Gateway API for the proxy of one Gateway. */
import type { FilterConfig, Listener, ListenerTls, VirtualHost } from '../../../model/snapshot.ts';
import type { Attachment } from '../../gateway-api/attachment.ts';
import type { ResolvedListener } from '../../gateway-api/listeners.ts';
import type { GatewayApi, ResolvedGateway } from '../../gateway-api/resolve.ts';
import { GATEWAY_NAME_LABEL } from '../../gateway-api/words.ts';
import type { PolicyTarget } from '../attached-policies.ts';
import { listenerPolicies, sharedPolicies, targetOf } from '../attached-policies.ts';
import type { CompileContext } from '../context.ts';
import { bySpecificity, compareText, covers } from '../names.ts';
import { connectionListener } from './connections.ts';
import type { RankedRoute } from './order.ts';
import { byPrecedence } from './order.ts';
import { compileRouteRules } from './rules.ts';

interface GatewayBuilder {
  readonly gateway: ResolvedGateway;
  readonly api: GatewayApi;
  readonly context: CompileContext;
  readonly filters: readonly FilterConfig[];
  readonly attachments: readonly Attachment[];
  readonly used: Set<string>;
}

/** A listener of a ListenerSet is of the Gateway, which has no name for it. */
function targetOfListener({ gateway }: GatewayBuilder, listener: ResolvedListener): PolicyTarget {
  const { resource } = gateway;
  return targetOf(resource, listener.owner === resource ? listener.name : undefined);
}

/** The most specific listener of the port for a host: what it doesn't serve, no other does. */
function ownerOf(
  host: string,
  listeners: readonly ResolvedListener[],
): ResolvedListener | undefined {
  return listeners
    .filter(({ hostname }) => covers(hostname, host))
    .sort((a, b) => bySpecificity(a.hostname, b.hostname))[0];
}

/** Routes of all attachments by host; `listeners` share a port and a connection. */
function virtualHosts(
  listeners: readonly ResolvedListener[],
  builder: GatewayBuilder,
  isShared: boolean,
): VirtualHost[] {
  // Every listener's own name stands, if only to answer that nothing is there.
  const table = new Map<string, RankedRoute[]>(listeners.map(({ hostname }) => [hostname, []]));
  const { api, context, used } = builder;
  const seen = new Set<string>();
  let order = 0;
  for (const { listener, route, hosts } of builder.attachments) {
    if (!listeners.includes(listener)) continue;
    const own = hosts.filter((host) => ownerOf(host, listeners) === listener);
    const fresh = own.filter(
      (host) =>
        !seen.has(`${host} ${route.kind} ${route.metadata.namespace}/${route.metadata.name}`),
    );
    if (fresh.length === 0) continue;
    const targets = isShared ? [targetOfListener(builder, listener)] : [];
    const routes = compileRouteRules(route, { api, context, used, isMesh: false, targets });
    for (const host of fresh) {
      seen.add(`${host} ${route.kind} ${route.metadata.namespace}/${route.metadata.name}`);
      const list = table.get(host) ?? [];
      list.push(...routes.map((one) => ({ ...one, order: order + one.order })));
      table.set(host, list);
    }
    order += routes.length;
  }
  const port = listeners[0]?.port ?? 0;
  return [...table]
    .sort(([a], [b]) => compareText(a, b))
    .map(([host, ranked]) => {
      const routes = ranked.sort(byPrecedence).map(({ route }) => route);
      const key = { owner: routes[0] ?? context.scope, slot: `${host}:${port}`, inputs: routes };
      return context.memo.keep(key, () => ({ name: `${host}:${port}`, domains: [host], routes }));
    });
}

function listenerTls({ certificates, clients }: ResolvedListener): ListenerTls {
  const modes = { AllowValidOnly: 'MUTUAL', AllowInsecureFallback: 'OPTIONAL_MUTUAL' } as const;
  return {
    mode: clients === undefined ? 'SIMPLE' : modes[clients.mode],
    credentialNames: certificates,
    ...(clients === undefined ? {} : { clientAuthorities: clients.authorities }),
    ...(clients?.mode === 'AllowInsecureFallback' ? { takesUnverified: true } : {}),
  };
}

function httpListener(listeners: readonly ResolvedListener[], builder: GatewayBuilder): Listener {
  const port = listeners[0]?.port ?? 0;
  const targets = listeners.map((listener) => targetOfListener(builder, listener));
  const { filters, isShared } = sharedPolicies(builder.context, targets);
  return {
    name: `http.${port}`,
    port,
    direction: 'gateway',
    protocol: 'HTTP',
    filters: [...builder.filters, ...filters],
    virtualHosts: virtualHosts(listeners, builder, isShared),
    unmatchedHost: 'not-found',
    origins: listeners.map(({ owner, path }) => builder.context.origins.of(owner, path)),
  };
}

function filtersOf(listener: ResolvedListener, builder: GatewayBuilder): readonly FilterConfig[] {
  const { context, filters } = builder;
  return [...filters, ...listenerPolicies(context, [targetOfListener(builder, listener)])];
}

/** Each is a listener of its own for its server names, and tells a request for another's host so. */
function httpsListener(listener: ResolvedListener, builder: GatewayBuilder): Listener {
  return {
    name: `https.${listener.port}.${listener.hostname}`,
    port: listener.port,
    direction: 'gateway',
    protocol: 'HTTPS',
    serverNames: [listener.hostname],
    checksServerName: true,
    tls: listenerTls(listener),
    filters: filtersOf(listener, builder),
    virtualHosts: virtualHosts([listener], builder, false),
    unmatchedHost: 'not-found',
    origins: [builder.context.origins.of(listener.owner, listener.path)],
  };
}

/** By GEP-1762's label, else by name. */
function servedGateway(
  api: GatewayApi,
  { scope }: CompileContext,
): GatewayApi['gateways'][number] | undefined {
  const name = scope.labels[GATEWAY_NAME_LABEL] ?? scope.name;
  return api.gateways.find(
    ({ resource: { metadata } }) =>
      metadata.namespace === scope.namespace && metadata.name === name,
  );
}

export function compileApiGateway(
  api: GatewayApi,
  context: CompileContext,
  filters: readonly FilterConfig[],
): { readonly listeners: readonly Listener[]; readonly used: ReadonlySet<string> } {
  const used = new Set<string>();
  const gateway = servedGateway(api, context);
  if (gateway === undefined || gateway.refusal !== undefined) return { listeners: [], used };
  const programmed = gateway.listeners.filter(({ isProgrammed }) => isProgrammed);
  const attachments = api.outcomes.flatMap((outcome) => outcome.attachments);
  const builder: GatewayBuilder = { gateway, api, context, filters, attachments, used };
  const plain = Map.groupBy(
    programmed.filter(({ protocol }) => protocol === 'HTTP'),
    ({ port }) => port,
  );
  const listeners = [
    ...[...plain.values()].map((list) => httpListener(list, builder)),
    ...programmed
      .filter(({ protocol }) => protocol === 'HTTPS')
      .map((listener) => httpsListener(listener, builder)),
    ...programmed
      .filter(({ protocol }) => protocol === 'TLS' || protocol === 'TCP')
      .map((listener) =>
        connectionListener(listener, attachments, {
          ...builder,
          filters: filtersOf(listener, builder),
        }),
      ),
  ];
  return { listeners: listeners.sort((a, b) => a.port - b.port), used };
}
