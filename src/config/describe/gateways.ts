/** Servers and listeners that take the host, or have routes that lead to it, with their certificates. */
import type { GatewayServer, GatewaySpec, Resource } from '../../model/api.ts';
import { proxyNamespaces } from '../analyse/gateways.ts';
import type { PolicyTarget } from '../compile/attached-policies.ts';
import { targetOf } from '../compile/attached-policies.ts';
import type { CompileContext } from '../compile/context.ts';
import type { Server } from '../compile/gateway-servers.ts';
import { isTls, serverHosts } from '../compile/gateway-servers.ts';
import { intersectHosts } from '../compile/names.ts';
import { resolveCertificate } from '../gateway-api/certificates.ts';
import type { ResolvedListener } from '../gateway-api/listeners.ts';
import type { ResolvedGateway } from '../gateway-api/resolve.ts';
import { nameOf } from '../gateway-api/words.ts';
import { describeCertificate } from './certificate.ts';
import type { FoundRoute } from './found.ts';
import { takes } from './found.ts';
import type { CertificateView, GatewayView } from './model.ts';
import type { View } from './view.ts';
import { apiGatewayScope, gatewayScopes, place } from './view.ts';

export interface FoundGateway {
  readonly view: GatewayView;
  readonly isBroad: boolean;
  readonly name: string;
  /** Of its proxies. */
  readonly contexts: readonly CompileContext[];
  readonly targets: readonly PolicyTarget[];
}

function certificateView(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  reason: string | undefined,
  { mesh }: View,
): CertificateView {
  const secret = mesh
    .of('Secret', '')
    .find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  const read = describeCertificate(secret?.data?.['tls.crt'] ?? secret?.data?.['cert']);
  return {
    secret: `${namespace}/${name}`,
    exists: secret !== undefined,
    ...(reason === undefined ? {} : { reason }),
    ...(read === undefined ? {} : { names: read.names, notAfter: read.notAfter }),
  };
}

function serverCertificates(
  { tls }: GatewayServer,
  gateway: Resource<GatewaySpec>,
  view: View,
): CertificateView[] {
  const names =
    tls?.credentialNames ?? (tls?.credentialName === undefined ? [] : [tls.credentialName]);
  return names
    .filter((name) => name !== '' && !name.includes('://'))
    .flatMap((name) =>
      proxyNamespaces(gateway, view.mesh).map((namespace) =>
        certificateView({ namespace, name }, undefined, view),
      ),
    );
}

/** By the rules that were found: which of its servers have one of them. */
function leads(entry: Server, routes: readonly FoundRoute[]): boolean {
  const { namespace, name } = entry.gateway.metadata;
  const own = serverHosts(entry);
  return routes.some(
    ({ gateways, view }) =>
      gateways.includes(`${namespace}/${name}`) &&
      view.hosts.some((host) => own.some((one) => intersectHosts(one.host, host) !== undefined)),
  );
}

function serverView(
  entry: Server,
  routes: readonly FoundRoute[],
  view: View,
): FoundGateway | undefined {
  const { server, gateway, index } = entry;
  const path = `spec.servers[${index}]`;
  const { isFor, isBroad } = takes(
    serverHosts(entry).map(({ host }) => host),
    view,
  );
  const isWay = leads(entry, routes);
  if (!isFor && !isWay) return undefined;
  const contexts = gatewayScopes(gateway, view.mesh).map((scope) => {
    view.carriedBy(scope);
    return view.contextOf(scope);
  });
  const fault = contexts
    .flatMap(({ diagnostics }) => diagnostics)
    .find((one) => one.resource === nameOf(gateway) && one.path?.startsWith(path) === true);
  return {
    isBroad,
    name: nameOf(gateway),
    contexts,
    targets: [targetOf(gateway, server.name)],
    view: {
      ...place(gateway, path),
      ...(server.name === undefined ? {} : { name: server.name }),
      takesHost: isFor,
      hosts: server.hosts,
      port: server.port.number,
      protocol: server.port.protocol.toUpperCase(),
      ...(isTls(server) ? { tlsMode: server.tls?.mode ?? 'PASSTHROUGH' } : {}),
      certificates: serverCertificates(server, gateway, view),
      accepted: fault?.level !== 'error',
      ...(fault === undefined ? {} : { reason: `${fault.code}: ${fault.message}` }),
    },
  };
}

function listenerCertificates({ spec, owner }: ResolvedListener, view: View): CertificateView[] {
  const from = { kind: owner.kind, namespace: owner.metadata.namespace };
  return (spec.tls?.certificateRefs ?? []).map((ref) => {
    const { source } = view.client.gatewayApi;
    const { refusal } = resolveCertificate(ref, from, source, 'InvalidCertificateRef');
    const named = { namespace: ref.namespace ?? from.namespace, name: ref.name };
    return certificateView(
      named,
      refusal === undefined ? undefined : `${refusal.reason}: ${refusal.message}`,
      view,
    );
  });
}

function tlsMode({ spec, clients }: ResolvedListener): string | undefined {
  if (spec.protocol !== 'HTTPS' && spec.protocol !== 'TLS') return undefined;
  const mode = spec.tls?.mode ?? 'Terminate';
  return clients === undefined ? mode : `${mode}, clients ${clients.mode}`;
}

function listenerView(
  listener: ResolvedListener,
  gateway: ResolvedGateway,
  routes: readonly FoundRoute[],
  view: View,
): FoundGateway | undefined {
  const { isFor, isBroad } = takes([listener.hostname], view);
  const isWay = routes.some(({ listeners }) => listeners.includes(listener));
  if (!isFor && !isWay) return undefined;
  const { resource } = gateway;
  const fault = gateway.refusal ?? listener.refusal ?? listener.conflict ?? listener.unresolved;
  const mode = tlsMode(listener);
  const isOwn = listener.owner === resource;
  return {
    isBroad,
    name: nameOf(resource),
    contexts: [view.contextOf(apiGatewayScope(resource))],
    targets: [targetOf(resource, isOwn ? listener.name : undefined)],
    view: {
      ...place(listener.owner, listener.path),
      name: listener.name,
      takesHost: isFor,
      hosts: [listener.hostname],
      port: listener.port,
      protocol: listener.protocol,
      ...(mode === undefined ? {} : { tlsMode: mode }),
      certificates: listenerCertificates(listener, view),
      accepted: gateway.refusal === undefined && listener.isProgrammed,
      ...(fault === undefined ? {} : { reason: `${fault.reason}: ${fault.message}` }),
    },
  };
}

export function describeGateways(routes: readonly FoundRoute[], view: View): FoundGateway[] {
  const servers = [...view.mesh.gateways.values()].flatMap((gateway) =>
    (gateway.spec.servers ?? []).map((server, index) =>
      serverView({ server, gateway, index }, routes, view),
    ),
  );
  const listeners = view.client.gatewayApi.gateways.flatMap((gateway) =>
    gateway.listeners.map((listener) => listenerView(listener, gateway, routes, view)),
  );
  return [...servers, ...listeners].filter((found) => found !== undefined);
}
