/** TLSRoutes and TCPRoutes to routes of connections. */
import type {
  ConnectionRoute,
  Destination,
  FilterConfig,
  Listener,
} from '../../../model/snapshot.ts';
import type { Attachment } from '../../gateway-api/attachment.ts';
import type { ResolvedListener } from '../../gateway-api/listeners.ts';
import type { GatewayApi } from '../../gateway-api/resolve.ts';
import { clusterName } from '../clusters.ts';
import type { CompileContext } from '../context.ts';

export interface ConnectionScope {
  readonly api: GatewayApi;
  readonly context: CompileContext;
  readonly filters: readonly FilterConfig[];
  /** Hosts of services that the routes name. */
  readonly used: Set<string>;
}

/** Closes its share of the connections. */
const REFUSED = 503;

function destinationsOf({ route }: Attachment, { api, used }: ConnectionScope): Destination[] {
  const [rule] = route.spec.rules ?? [];
  const given = (rule?.backendRefs ?? []).filter(({ weight = 1 }) => weight > 0);
  const from = { kind: route.kind, namespace: route.metadata.namespace, isMesh: false };
  const list = given.map((ref): Destination => {
    const backend = api.backend(ref, from);
    const weight = given.length === 1 ? 1 : (ref.weight ?? 1);
    if (backend.refusal !== undefined) return { cluster: '', weight, respond: REFUSED };
    used.add(backend.host);
    return { cluster: clusterName(backend.host, backend.port), weight };
  });
  return list.length === 0 ? [{ cluster: '', weight: 1, respond: REFUSED }] : list;
}

function connectionOf(attachment: Attachment, scope: ConnectionScope): ConnectionRoute {
  const { route, hosts } = attachment;
  const [rule] = route.spec.rules ?? [];
  return {
    ...(rule?.name === undefined ? {} : { name: rule.name }),
    ...(route.kind === 'TLSRoute' ? { serverNames: hosts } : {}),
    destinations: destinationsOf(attachment, scope),
    origin: scope.context.origins.of(route, 'spec.rules[0]'),
  };
}

/** `attachments` come oldest route first: of those for one name the oldest takes the connections. */
export function connectionListener(
  listener: ResolvedListener,
  attachments: readonly Attachment[],
  scope: ConnectionScope,
): Listener {
  const isTls = listener.protocol === 'TLS';
  const isPassthrough = isTls && listener.spec.tls?.mode === 'Passthrough';
  return {
    name: `${listener.protocol.toLowerCase()}.${listener.port}${isTls ? `.${listener.hostname}` : ''}`,
    port: listener.port,
    direction: 'gateway',
    protocol: isTls ? 'TLS' : 'TCP',
    ...(isTls
      ? {
          serverNames: [listener.hostname],
          tls: {
            mode: isPassthrough ? 'PASSTHROUGH' : 'SIMPLE',
            credentialNames: listener.certificates,
          },
        }
      : {}),
    filters: scope.filters,
    virtualHosts: [],
    connections: attachments
      .filter((one) => one.listener === listener)
      .map((one) => connectionOf(one, scope)),
    unmatchedHost: 'not-found',
    origins: [scope.context.origins.of(listener.owner, listener.path)],
  };
}
