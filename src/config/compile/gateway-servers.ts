/** Servers of Istio's Gateways: what each speaks, and for which hosts. */
import type { GatewayServer, GatewaySpec, Resource } from '../../model/api.ts';
import type { Origin } from '../../model/snapshot.ts';
import type { CompileContext } from './context.ts';

export interface Server {
  readonly server: GatewayServer;
  readonly gateway: Resource<GatewaySpec>;
  readonly index: number;
}

export const isTls = (server: GatewayServer): boolean =>
  /^(?:HTTPS|TLS)$/i.test(server.port.protocol);
export const isHttp = (server: GatewayServer): boolean =>
  /^(?:HTTP|HTTP2|GRPC|GRPC-WEB)$/i.test(server.port.protocol);
export const isGrpcWeb = (server: GatewayServer): boolean =>
  /^GRPC-WEB$/i.test(server.port.protocol);
export const isTcp = (server: GatewayServer): boolean =>
  /^(?:TCP|MONGO|MYSQL|REDIS)$/i.test(server.port.protocol);
/** No mode is PASSTHROUGH, the API's zero value: admission reads it so too. */
export const terminates = ({ tls }: GatewayServer): boolean =>
  tls?.mode !== undefined && tls.mode !== 'PASSTHROUGH' && tls.mode !== 'AUTO_PASSTHROUGH';

export const serverOrigin = ({ gateway, index }: Server, { origins }: CompileContext): Origin =>
  origins.of(gateway, `spec.servers[${index}]`);

/** `ns/host` to its parts; `*` is every namespace. */
export function serverHosts(entry: Server): { namespace: string; host: string }[] {
  return entry.server.hosts.map((text) => {
    const slash = text.indexOf('/');
    const namespace = slash < 0 ? '*' : text.slice(0, slash);
    return {
      namespace: namespace === '.' ? entry.gateway.metadata.namespace : namespace,
      host: text.slice(slash + 1).toLowerCase(),
    };
  });
}
