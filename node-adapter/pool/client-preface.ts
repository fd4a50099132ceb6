/** Whom connections stand for whose endpoints are told so (PROXY protocol): each belongs to one client's connection. */
import type { Peer } from '../../src/model/identity.ts';
import type { Cluster } from '../../src/model/snapshot.ts';
import { writeProxyHeader } from '../sniff/proxy-protocol.ts';

/** What goes before everything else; undefined = nothing does. Requests of the proxy's own stand for nobody. */
export function prefaceFor(
  { proxyProtocol }: Cluster,
  client: Peer | undefined,
): Buffer | undefined {
  if (proxyProtocol === undefined) return undefined;
  const source = client === undefined ? undefined : { ip: client.ip, port: client.port ?? 0 };
  return writeProxyHeader(proxyProtocol === 'V1' ? 1 : 2, source, client?.destination);
}

/** Tells clients apart: both of a connection's addresses. */
export function addressesOf(client: Peer | undefined): string {
  if (client === undefined) return '';
  const { ip, port = 0, destination } = client;
  return `${ip} ${port} ${destination?.ip ?? ''} ${destination?.port ?? 0}`;
}
