/** Connections of a proxy to itself: what a client names freely may be one of its own ports, and would go round for ever. */
import type { Socket } from 'node:net';

export type IsOwnPort = (port: number) => boolean;

const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;

/** An address of this machine is its own source, except that all of loopback is one. */
export function leadsToItself(
  { localAddress, remoteAddress = '', remotePort = 0 }: Socket,
  isOwnPort: IsOwnPort,
): boolean {
  return isOwnPort(remotePort) && (LOOPBACK.test(remoteAddress) || remoteAddress === localAddress);
}
