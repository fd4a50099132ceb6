/** The real ports of a gateway: opened and closed as its configuration says. */
import type { ConnectionServices } from './exchanges.ts';
import { Front } from './front.ts';
import type { ListenAt } from './listening.ts';
import type { Plane } from './plane.ts';

export interface GatewayPortsOptions {
  readonly plane: Plane;
  readonly host: string;
  readonly portOf: (port: number) => number;
  readonly services: ConnectionServices;
  readonly log: (line: string) => void;
  /** A socket that somebody else owns, and says why it can't be had. @default one of our own */
  readonly handleFor?: (host: string, port: number) => Promise<ListenAt>;
}

/** A line of the log: why a port isn't listened on, and what helps. */
export function portFault(port: number, error: unknown): string {
  const cause = error instanceof Error ? error.message : 'unknown';
  const remedy =
    (error as { readonly code?: string }).code === 'EACCES'
      ? 'a port below 1024 needs rights: map it to another one'
      : 'free the port, or map it to another one';
  return JSON.stringify({
    level: 'error',
    message: `port ${port} can't be listened on`,
    cause,
    remedy,
  });
}

interface Open {
  readonly front: Front;
  readonly port: number;
}

export class GatewayPorts {
  readonly #options: GatewayPortsOptions;
  readonly #open = new Map<number, Open>();
  /** Draining: no longer wanted, and still ending. */
  readonly #leaving = new Set<Front>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: GatewayPortsOptions) {
    this.#options = options;
    options.plane.onApplied(() => {
      this.#work = this.#work.then(() => this.#sync());
    });
  }

  /** Those of the configuration in force; with none yet, ports come with the first. */
  async open(): Promise<void> {
    await this.#work;
    await this.#sync();
  }

  /** What the configuration in force wants is open, or was tried. */
  settled(): Promise<void> {
    return this.#work;
  }

  *fronts(): Iterable<Front> {
    for (const { front } of this.#open.values()) yield front;
    yield* this.#leaving;
  }

  listening(): { kind: 'gateway'; host: string; port: number; listenerPort: number }[] {
    return [...this.#open].map(([listenerPort, { port }]) => ({
      kind: 'gateway',
      host: this.#options.host,
      port,
      listenerPort,
    }));
  }

  async #sync(): Promise<void> {
    const { plane } = this.#options;
    const listeners = plane.linked?.named.snapshot.listeners ?? [];
    const wanted = new Set(listeners.map(({ port }) => port));
    for (const [listenerPort, { front }] of this.#open)
      if (!wanted.has(listenerPort)) {
        this.#open.delete(listenerPort);
        this.#leave(front);
      }
    for (const listenerPort of wanted)
      if (!this.#open.has(listenerPort)) await this.#openOne(listenerPort);
  }

  #leave(front: Front): void {
    this.#leaving.add(front);
    front.drain();
    front.onEmpty(() => this.#leaving.delete(front));
  }

  /** A port that can't be had leaves the others alone: it is tried again with the next configuration. */
  async #openOne(listenerPort: number): Promise<void> {
    const { plane, host, portOf, services, log, handleFor } = this.#options;
    const port = portOf(listenerPort);
    let at: ListenAt = { host, port };
    try {
      if (handleFor !== undefined) at = await handleFor(host, port);
    } catch {
      // Who owns the sockets says so, for all who ask for this one.
      return;
    }
    try {
      const front = new Front({ at, plane, role: { kind: 'gateway', listenerPort }, services });
      const address = await front.listen();
      this.#open.set(listenerPort, { front, port: address.port });
    } catch (error) {
      log(portFault(port, error));
    }
  }
}
