/** What comes by a front, as far as its role and its listeners say. */
import type { LinkedSnapshot } from '../../src/proxy/index.ts';
import type { FrontRole } from '../front-role.ts';
import type { ServerStream } from '../stream.ts';

const DEFAULT_PORT = 80;

/** The port that a request to an HTTP proxy names, in its target or its Host. */
export function portOfRequest({ request }: ServerStream): number {
  const { target, authority } = request;
  const named = /^https?:\/\/([^/?#]+)/i.exec(target)?.[1] ?? authority;
  const port = /:(\d{1,5})$/.exec(named)?.[1];
  return port === undefined ? DEFAULT_PORT : Number(port);
}

/** As a client of the mesh would write it. */
export const authorityOf = (host: string, port: number): string =>
  port === DEFAULT_PORT ? host : `${host}:${port}`;

/**
 * tcp: carried without a look, the server may speak first. tls: a ClientHello comes first. any: told by the first
 * bytes, and the server may speak first. http: told by the first bytes, the client speaks first.
 */
export type CarriedProtocol = 'tcp' | 'tls' | 'any' | 'http';

export function carriedProtocol(
  linked: LinkedSnapshot | undefined,
  role: FrontRole,
): CarriedProtocol {
  if (linked === undefined || role.kind === 'proxy') return 'http';
  // A service's port may speak anything, and so may an application's.
  if (role.kind === 'service') return 'any';
  const listeners = linked.named.snapshot.listeners.filter(
    ({ port }) => port === role.listenerPort,
  );
  if (listeners.some(({ serverNames }) => serverNames !== undefined)) return 'tls';
  const [listener] = listeners;
  if (role.kind === 'gateway') return listener?.protocol === 'TCP' ? 'tcp' : 'http';
  if (listener === undefined) return 'any';
  if (listener.protocol === 'HTTP') return 'http';
  if (listener.mtls === 'DISABLE') return 'tcp';
  return listener.mtls === 'STRICT' ? 'tls' : 'any';
}
