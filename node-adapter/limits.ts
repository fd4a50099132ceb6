/** What a client may cost: every bound of a connection, by name. */
import type { HeadLimits } from '../src/http1/index.ts';

export interface ConnectionLimits {
  /** Of a request's or response's head. */
  readonly head: HeadLimits;
  /** From the first byte of a head to its last. @default 10,000 */
  readonly headTimeoutMs: number;
  /** Between two pieces of a request's body. @default 60,000 */
  readonly bodyTimeoutMs: number;
  /** Without a request. @default 75,000 */
  readonly keepAliveTimeoutMs: number;
  /** Without a byte either way, once a request is under way. @default 300,000 */
  readonly streamIdleTimeoutMs: number;
  /** Requests of one connection; 0 = any number. @default 100,000 */
  readonly keepAliveRequests: number;
  /** Bytes of further requests that are kept while one is answered. @default 65,536 */
  readonly pipelinedBytes: number;
  /** How long what a client still sends is read and thrown away behind an answer that came early. @default 2,000 */
  readonly lingerTimeoutMs: number;
  /** From the end of the certificate that a client showed to that of its connection, for what is under way. @default 10,000 */
  readonly expiryGraceMs: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  head: { headBytes: 65_536, headers: 100, line: 16_384 },
  headTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  streamIdleTimeoutMs: 300_000,
  keepAliveRequests: 100_000,
  pipelinedBytes: 65_536,
  lingerTimeoutMs: 2000,
  expiryGraceMs: 10_000,
};

/** That one connection may begin while others wait: requests of a read beyond them are begun behind what others sent. */
export const REQUESTS_A_TURN = 16;
