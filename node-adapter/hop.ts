/** What a response says of the connection that it came by alone: RFC 9110, 7.6.1. */
import type { ResponseHead } from '../src/model/head.ts';

/** Status of an interim answer that lets a body come. */
export const CONTINUE = 100;

const HOP_BY_HOP = ['keep-alive', 'proxy-connection', 'upgrade', 'te', 'proxy-authenticate'];
/** These a Connection header can't take away. */
const KEPT: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'host', 'date']);

/** What says how long a body is. */
const FRAMING = ['content-length', 'transfer-encoding'];

export function stripResponseHop(head: ResponseHead): void {
  // These have no body: a client that believed a length would take the next response for it.
  if (head.status === 204 || head.status < 200)
    for (const name of FRAMING) if (head.has(name)) head.remove(name);
  const connection = head.get('connection');
  if (connection !== undefined) {
    head.remove('connection');
    if (connection !== 'keep-alive' && connection !== 'close')
      for (const part of connection.split(',')) {
        const name = part.trim().toLowerCase();
        if (name !== '' && !KEPT.has(name)) head.remove(name);
      }
  }
  for (const name of HOP_BY_HOP) if (head.has(name)) head.remove(name);
}
