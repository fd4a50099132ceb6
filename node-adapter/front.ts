/** A listening socket: takes connections and knows what comes by it. */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Accepted } from './accept/accepted.ts';
import type { ConnectionServices } from './exchanges.ts';
import type { FrontRole } from './front-role.ts';
import { startListening } from './listening.ts';
import type { ListenAt } from './listening.ts';
import type { Plane } from './plane.ts';

export interface FrontOptions {
  readonly at: ListenAt;
  readonly plane: Plane;
  readonly role: FrontRole;
  readonly services: ConnectionServices;
}

export class Front {
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #open = new Set<Accepted>();
  #onEmpty: (() => void) | undefined;
  #isClosed = false;

  constructor(options: FrontOptions) {
    this.#options = options;
    // Paused: who reads is known when the protocol is.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    this.#server.on('connection', (socket) => this.#accept(socket));
    this.#server.on('error', (error) => this.#onFailed(error));
  }

  listen(): Promise<AddressInfo> {
    return startListening(this.#server, this.#options.at);
  }

  /** Undefined while it doesn't listen. */
  get address(): AddressInfo | undefined {
    return (this.#server.address() as AddressInfo | null) ?? undefined;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** No new connection; those that are open end behind what is under way. */
  drain(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const connection of this.#open) connection.drain();
  }

  /** Told once, when the last connection has ended; now where there is none. */
  onEmpty(told: () => void): void {
    if (this.#open.size === 0) told();
    else this.#onEmpty = told;
  }

  close(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const connection of this.#open) connection.destroy();
  }

  get #port(): number {
    const { role } = this.#options;
    return role.kind === 'proxy' ? 0 : role.listenerPort;
  }

  /** Of accepting: who listens is told of what fails before. */
  #onFailed({ code = 'unknown' }: NodeJS.ErrnoException): void {
    if (this.#server.listening) this.#options.services.admission?.onFailed(this.#port, code);
  }

  #accept(socket: Socket): void {
    const { plane, role, services } = this.#options;
    const { admission } = services;
    if (admission?.take(this.#port) === false) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const connection = new Accepted(socket, {
      plane,
      role,
      services,
      onClosed: () => {
        this.#open.delete(connection);
        admission?.leave();
        if (this.#isClosed && this.#open.size === 0) this.#onEmpty?.();
      },
    });
    this.#open.add(connection);
    connection.start();
  }
}
