/** CONNECT to an HTTP proxy: a name and a port, and from then on whatever the client speaks. */
import { isIP } from 'node:net';
import type { LocalReply } from '../../src/model/exchange.ts';
import type { ServerExchange } from '../server-context.ts';
import type { Address } from '../sniff/proxy-protocol.ts';
import type { ServerStream } from '../stream.ts';

export interface TunnelTarget {
  /** Lower case, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Where the client named an address. */
  readonly destination?: Address;
}

const AUTHORITY = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([-A-Za-z0-9._]{1,253})):(\d{1,5})$/;
const MAX_PORT = 65_535;

function targetOf(text: string): TunnelTarget | undefined {
  const match = AUTHORITY.exec(text);
  const host = (match?.[1] ?? match?.[2] ?? '').toLowerCase();
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > MAX_PORT) return undefined;
  return isIP(host) === 0 ? { host, port } : { host, port, destination: { ip: host, port } };
}

const MALFORMED: LocalReply = {
  status: 400,
  body: '',
  headers: [],
  flag: '',
  details: 'connect_target_malformed',
};

/** A request that becomes a tunnel, or is refused. */
export class Tunnel implements ServerExchange {
  readonly #stream: ServerStream;
  readonly #open: (target: TunnelTarget) => void;

  constructor(stream: ServerStream, open: (target: TunnelTarget) => void) {
    this.#stream = stream;
    this.#open = open;
  }

  start(hasBody: boolean): void {
    const target = targetOf(this.#stream.request.target);
    if (target === undefined || hasBody) this.#stream.reply(MALFORMED);
    else this.#open(target);
  }

  onRequestBody(): void {
    // It has none.
  }
  onRequestEnd(): void {
    // It is whole by its head.
  }
  onClientGone(): void {
    // Nothing is under way.
  }
  onClientDrain(): void {
    // All was said at once.
  }
}
