/** CONNECT to an HTTP proxy: a name and a port, and from then on whatever the client speaks. */
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { LocalReply } from '../../src/model/exchange.ts';
import type { ServerExchange } from '../server-context.ts';
import type { BytesReader } from '../sockets/reading.ts';
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

/** The first bytes behind a CONNECT, gathered from a socket that reads already. */
export class Beginning implements BytesReader {
  readonly #look: (early: Buffer, isOver: boolean) => boolean;
  readonly #timeoutMs: number;
  #early: Buffer = Buffer.alloc(0);
  #next: BytesReader | undefined;
  #timer: NodeJS.Timeout | undefined;
  #socket: Socket | undefined;
  readonly #onGone = (): void => {
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  };

  /** `look` as that of a peek; behind it the bytes are another reader's. */
  constructor(look: (early: Buffer, isOver: boolean) => boolean, timeoutMs: number) {
    this.#look = look;
    this.#timeoutMs = timeoutMs;
  }

  begin(socket: Socket, early: Buffer): void {
    this.#socket = socket;
    this.#early = early;
    socket.on('end', this.#onGone);
    socket.on('error', this.#onGone);
    this.#timer = setTimeout(() => this.#ask(true), this.#timeoutMs);
    this.#ask(false);
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#next !== undefined) {
      this.#next.onBytes(bytes, length);
      return;
    }
    this.#early = Buffer.concat([this.#early, bytes.subarray(0, length)]);
    this.#ask(false);
  }

  handOn(next: BytesReader): void {
    this.#next = next;
    clearTimeout(this.#timer);
    this.#socket?.removeListener('end', this.#onGone);
  }

  #ask(isOver: boolean): void {
    if (this.#next === undefined) this.#look(this.#early, isOver);
  }
}
