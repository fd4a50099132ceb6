/** Where streams to one endpoint come from. */
import type { UpstreamFailure } from '../../src/model/error.ts';
import type { RequestHead } from '../../src/model/head.ts';
import type { ClientStream } from '../stream.ts';

/** Asks for a stream; hears of it once, unless it cancels. */
export interface Waiter {
  onStream(stream: ClientStream): void;
  onNoStream(failure: UpstreamFailure): void;
}

export interface Pool {
  /**
   * A stream at once; undefined: the waiter hears later.
   * @param isFresh not on a connection that idles: its peer may be gone as well. @default false
   * @param request of a client, that it is for. @default one of the proxy's own
   */
  acquire(waiter: Waiter, isFresh?: boolean, request?: RequestHead): ClientStream | undefined;
  cancel(waiter: Waiter): void;
  /** Keeps nothing any more: what waits or still comes, on behalf of requests that began before, gets its connection. */
  drain(): void;
  /** Ends every connection. */
  close(): void;
  readonly stats: PoolStats;
}

export interface PoolStats {
  readonly connections: number;
  readonly idle: number;
  readonly waiting: number;
}
