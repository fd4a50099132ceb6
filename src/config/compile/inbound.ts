/** Listeners of what calls a service. */
import type { FilterConfig, Listener, MtlsMode, Origin } from '../../model/snapshot.ts';
import { listenerPolicies, targetOf } from './attached-policies.ts';
import { clusterName } from './clusters.ts';
import type { CompileContext } from './context.ts';
import type { WorkloadMtls } from './peer-authentication.ts';
import { workloadMtls } from './peer-authentication.ts';
import { defaultRetry } from './retries.ts';
import type { Service, ServicePort } from './services.ts';
import { isHttpPort, listenPort } from './services.ts';

const PASSTHROUGH_ORIGIN: Origin = { resource: 'mesh', path: 'inbound' };

/** One listener for a declared port; everything goes to the service itself. */
function declaredListener(
  port: ServicePort,
  service: Service,
  fields: Pick<Listener, 'filters' | 'mtls'>,
  origin: Origin,
): Listener {
  return {
    name: `inbound.${listenPort(port)}`,
    port: listenPort(port),
    direction: 'inbound',
    protocol: 'HTTP',
    ...(port.protocol === 'GRPC-WEB' ? { grpcWeb: true } : {}),
    ...fields,
    virtualHosts: [
      {
        name: `inbound|http|${port.number}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: {},
            action: {
              kind: 'forward',
              destinations: [{ cluster: clusterName(service.host, port.number), weight: 1 }],
            },
            filters: [],
            timeoutMs: 0,
            retry: { ...defaultRetry, on: ['reset-before-request'] },
            origin,
          },
        ],
      },
    ],
    unmatchedHost: 'not-found',
    origins: [origin],
  };
}

/** A port of another protocol: connections go to the service as they are. */
function carriedListener(
  port: ServicePort,
  service: Service,
  fields: Pick<Listener, 'filters' | 'mtls'>,
  origin: Origin,
): Listener {
  return {
    name: `inbound.${listenPort(port)}`,
    port: listenPort(port),
    direction: 'inbound',
    protocol: 'TCP',
    ...(port.protocol === 'MONGO' ? { application: 'MONGO' } : {}),
    ...fields,
    virtualHosts: [],
    connections: [
      { destinations: [{ cluster: clusterName(service.host, port.number), weight: 1 }], origin },
    ],
    unmatchedHost: 'not-found',
    origins: [origin],
  };
}

function declaredListeners(
  service: Service,
  context: CompileContext,
  mtls: WorkloadMtls,
  filters: readonly FilterConfig[],
): Listener[] {
  return service.ports.map((port, index) => {
    const origin = context.origins.of(service.resource, `spec.ports[${index}]`);
    const mode = mtls.ports.get(listenPort(port)) ?? mtls.mode;
    const attached = listenerPolicies(context, [targetOf(service.resource, port.name)]);
    const fields = { filters: [...filters, ...attached], ...secured(mode) };
    return isHttpPort(port)
      ? declaredListener(port, service, fields, origin)
      : carriedListener(port, service, fields, origin);
  });
}

export function compileInbound(
  context: CompileContext,
  filters: readonly FilterConfig[],
): { listeners: Listener[]; used: Set<string> } {
  const host = context.scope.service ?? '';
  const service = context.registry.visibleTo(context.scope.namespace).get(host);
  const mtls = workloadMtls(context);
  const listeners = service === undefined ? [] : declaredListeners(service, context, mtls, filters);
  const declared = new Set(listeners.map(({ port }) => port));
  const levels = [...mtls.ports].filter(([port]) => !declared.has(port));
  const targets = service === undefined ? [] : [targetOf(service.resource)];
  const undeclared = [...filters, ...listenerPolicies(context, targets)];
  const passthrough = [[0, mtls.mode] as const, ...levels].map(([port, mode]) =>
    passthroughListener(port, mode, undeclared),
  );
  return { listeners: [...listeners, ...passthrough], used: new Set([host]) };
}

/** PERMISSIVE is what a listener is without saying so. */
function secured(mode: MtlsMode): { readonly mtls?: MtlsMode } {
  return mode === 'PERMISSIVE' ? {} : { mtls: mode };
}

/** Ports that no service declares lead to the workload as they are, judged by its policies like the others. */
function passthroughListener(
  port: number,
  mode: MtlsMode,
  filters: readonly FilterConfig[],
): Listener {
  return {
    name: port === 0 ? 'inbound.passthrough' : `inbound.passthrough.${port}`,
    port,
    direction: 'inbound',
    protocol: 'HTTP',
    ...secured(mode),
    filters,
    virtualHosts: [],
    connections: [{ destinations: [], passthrough: true, origin: PASSTHROUGH_ORIGIN }],
    unmatchedHost: 'passthrough',
  };
}
