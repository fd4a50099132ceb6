/** One stream of a connection: what both sides may still send, and who hears of it. */
import type { FieldPairs } from './block-rules.ts';

/**
 * Why a stream ended early. peer: reset with a code. refused: its peer has surely not looked at it. protocol: its peer
 * broke a rule. lost: the connection is gone.
 */
export type ResetCause = 'peer' | 'refused' | 'protocol' | 'lost';

export abstract class Stream {
  /** 0 = not open yet. */
  id = 0;
  isClosed = false;
  /** Our side: END_STREAM is written, or waits behind what the windows hold back. */
  isLocalEnded = false;
  isRemoteEnded = false;
  /** A final head has been sent (server) or received (client). */
  hasResponse = false;

  sendWindow = 0;
  /** What the windows hold back, in order. */
  queue: Uint8Array[] = [];
  queuedBytes = 0;
  /** How much of the queue's first piece has left. */
  queueStart = 0;
  /** What ends the stream behind the queue. */
  ending: FieldPairs | undefined;
  /** Somebody was told to wait. */
  wantsDrain = false;

  receiveWindow = 0;
  /** What the window is filled up to. */
  receiveTarget = 0;
  /** Received since the window was last filled up. */
  consumed = 0;
  /** Received while paused: kept from the connection's window. */
  withheld = 0;
  isPaused = false;
  /** Declared length of the peer's body; -1 = none. */
  declaredLength = -1;
  receivedLength = 0;

  /** Lent. */
  abstract onBody(bytes: Uint8Array, start: number, end: number): void;
  abstract onEnd(trailers: FieldPairs): void;
  /** The last thing that it hears. */
  abstract onReset(cause: ResetCause, code: number): void;
  /** What the windows held back has left. */
  abstract onDrain(): void;
}
