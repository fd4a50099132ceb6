/** What a peer may cost: every bound of a connection, by name. */
import type { BlockLimits } from './hpack-decoder.ts';

export interface Http2Limits extends BlockLimits {
  /** Requests of a client at a time. @default 100 */
  readonly maxStreams: number;
  /** Of the table that a peer's header blocks may refer to. @default 4096 */
  readonly headerTableBytes: number;
  /** Frames of a header block behind its first. @default 8 */
  readonly continuations: number;
  /** Crumbs that one cookie may come in. @default 500 */
  readonly cookieCrumbs: number;
  /** What a stream may send before anybody has read of it. @default 65535 */
  readonly streamWindow: number;
  /** What it may send ahead once its reader has shown to keep up. @default 262144 */
  readonly maxStreamWindow: number;
  /** What all streams may send ahead together; also what is kept of streams whose reader pauses. @default 1048576 */
  readonly connectionWindow: number;
  /** The interval of the counts below. @default 10000 */
  readonly floodIntervalMs: number;
  /** Streams that were given up before they were answered, by the peer or for its mistakes. @default 500 */
  readonly resets: number;
  /** @default 500 */
  readonly pings: number;
  /** @default 100 */
  readonly settings: number;
  /** DATA without a byte that doesn't end its stream. @default 500 */
  readonly emptyData: number;
  /** PRIORITY and what else is read and ignored. @default 2000 */
  readonly ignored: number;
  /** Beyond ten for each DATA frame that was sent. @default 2000 */
  readonly windowUpdates: number;
  /** Answers to PING and SETTINGS and resets that a peer doesn't read. @default 1000 */
  readonly unreadControls: number;
  /** What may wait for a client that doesn't read before its further requests are refused. @default 1048576 */
  readonly unsentBytes: number;
}

export const DEFAULT_HTTP2_LIMITS: Http2Limits = {
  headerListBytes: 65_536,
  fields: 100,
  maxStreams: 100,
  headerTableBytes: 4096,
  continuations: 8,
  cookieCrumbs: 500,
  streamWindow: 65_535,
  maxStreamWindow: 262_144,
  connectionWindow: 1_048_576,
  floodIntervalMs: 10_000,
  resets: 500,
  pings: 500,
  settings: 100,
  emptyData: 500,
  ignored: 2000,
  windowUpdates: 2000,
  unreadControls: 1000,
  unsentBytes: 1_048_576,
};
