/** What a client's connection knows of the proxy that it belongs to, whatever codec reads it. */
import type { HeadFault } from '../src/http1/index.ts';
import type { LocalReply } from '../src/model/exchange.ts';
import type { ResponseHead } from '../src/model/head.ts';
import type { ConnectionLimits } from './limits.ts';
import type { Deadlines } from './sockets/deadlines.ts';
import type { ServerStream, ServerStreamEvents } from './stream.ts';

/** One request under way. */
export interface ServerExchange extends ServerStreamEvents {
  /** Once, when the codec is ready for its answer. @param hasBody more of the request comes */
  start(hasBody: boolean): void;
}

export interface LocalResponse {
  readonly head: ResponseHead;
  readonly bytes: Uint8Array;
}

export interface ServerContext {
  readonly scheme: 'http' | 'https';
  readonly limits: ConnectionLimits;
  readonly deadlines: Deadlines;
  /** Protocols that clients may ask a connection to become, in lower case. */
  readonly upgrades: ReadonlySet<string>;
  open(stream: ServerStream): ServerExchange;
  /** The proxy is going away: connections end behind their answers. */
  isDraining(): boolean;
  /** Head and body of a reply of the proxy's own; no body for HEAD. */
  localResponse(reply: LocalReply, method: string): LocalResponse;
  /** What a client is told whose request can't be read, as HTTP/1.1. */
  refusal(fault: HeadFault): string;
  onRefused(fault: HeadFault): void;
  /** Something that nobody foresaw; the connection is given up. */
  onFault(error: unknown): void;
  onClosed(): void;
}
