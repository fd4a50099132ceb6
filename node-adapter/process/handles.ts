/**
 * Listening sockets that outlive who listens on them: bound here, lent to workers and to a successor, so that the queue of
 * connections stays open whoever dies. `net._createServerHandle`, with which node:cluster makes them, is undocumented: it is
 * tried once, and where it fails each process binds for itself with SO_REUSEPORT, which drops what waits when it closes.
 */
import { lookup } from 'node:dns/promises';
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ListenAt } from '../listening.ts';

/** A bound socket of the runtime. */
export interface BoundHandle {
  /** Negative = closed. */
  readonly fd?: number;
  getsockname(out: { port?: number; address?: string }): number;
  close(): void;
}

/** A number is a fault of the system. */
type CreateHandle = (address: string, port: number, addressType: 4 | 6) => BoundHandle | number;

/** A port that can't be had. */
export class ListenError extends Error {
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(code: string, host: string, port: number) {
    super(`listen ${code}: ${host}:${port}`);
    this.name = 'ListenError';
    this.code = code;
    this.host = host;
    this.port = port;
  }
}

const createHandle: CreateHandle | undefined = (
  net as unknown as { readonly _createServerHandle?: CreateHandle }
)._createServerHandle;

/** A socket that the runtime could not bind says so late: it has no name, or another. */
function bind(host: string, port: number): BoundHandle {
  const made = createHandle?.(host, port, net.isIPv6(host) ? 6 : 4) ?? 0;
  if (typeof made === 'number') throw new ListenError(getSystemErrorName(made), host, port);
  const name: { port?: number } = {};
  const fault = made.getsockname(name);
  if (fault === 0 && (port === 0 || name.port === port)) return made;
  made.close();
  throw new ListenError('EADDRINUSE', host, port);
}

/** Whether this runtime makes bound sockets apart from servers. */
export function canMakeHandles(): boolean {
  if (typeof createHandle !== 'function') return false;
  try {
    bind('127.0.0.1', 0).close();
    return true;
  } catch {
    return false;
  }
}

const isOpen = ({ fd }: BoundHandle): boolean => fd === undefined || fd >= 0;
const keyOf = (host: string, port: number): string => `${host} ${port}`;

const RETRIES = 40;
const RETRY_MS = 50;

export class Handles {
  readonly #open = new Map<string, BoundHandle>();
  /** Closed here, and in workers soon. */
  readonly #retired = new Set<string>();
  readonly #canMake: boolean;

  /** @param given of a predecessor */
  constructor(
    given: ReadonlyMap<string, BoundHandle> = new Map(),
    canMake: boolean = canMakeHandles(),
  ) {
    this.#canMake = canMake;
    for (const [key, handle] of given) this.#open.set(key, handle);
  }

  /** The same socket for all who ask for the same. @throws ListenError */
  async get(host: string, port: number): Promise<ListenAt> {
    if (!this.#canMake) return { host, port, reusePort: true };
    const key = keyOf(host, port);
    const known = this.#open.get(key);
    if (known !== undefined && isOpen(known)) return { handle: known };
    const address = net.isIP(host) === 0 ? (await lookup(host)).address : host;
    for (let tries = this.#retired.has(key) ? RETRIES : 0; ; tries--)
      try {
        // Somebody else may have asked meanwhile.
        const handle = this.#open.get(key);
        const open = handle !== undefined && isOpen(handle) ? handle : bind(address, port);
        this.#open.set(key, open);
        this.#retired.delete(key);
        return { handle: open };
      } catch (error) {
        if (tries <= 0) throw error;
        await new Promise((resolve) => {
          setTimeout(resolve, RETRY_MS);
        });
      }
  }

  all(): readonly (readonly [key: string, handle: BoundHandle])[] {
    return [...this.#open].filter(([, handle]) => isOpen(handle));
  }

  /** Lets go of those that nothing wants any more. */
  retain(wanted: readonly { readonly host: string; readonly port: number }[]): void {
    const keys = new Set(wanted.map(({ host, port }) => keyOf(host, port)));
    for (const [key, handle] of this.#open)
      if (!keys.has(key)) {
        this.#open.delete(key);
        this.#retired.add(key);
        handle.close();
      }
  }

  close(): void {
    for (const [, handle] of this.all()) handle.close();
    this.#open.clear();
  }
}
