/** A WebSocket as a home of the control plane has it, and what is kept with it. */
import type { Runtime, ScopeName } from '../../src/delivery/messages.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';

/** Whose socket it is: what its token says. */
export interface Grant {
  readonly tokenId: string;
  readonly expiresMs?: number;
}

/** One scope of a socket. */
export interface SavedSubscription {
  readonly scope: ScopeName;
  readonly instance: string;
  readonly runtime?: Runtime;
  /** Name of the pointer whose blobs it has: what differences are made from. */
  readonly held?: string;
  /** Version of the secrets that it was told last. */
  readonly secrets?: string;
  /** Name of the pointer that it acknowledged last. */
  readonly runs?: string;
  /** The pointer that it refused last, with why. */
  readonly refused?: { readonly pointer: string; readonly diagnostics: readonly Diagnostic[] };
  /** The push that it hasn't answered. */
  readonly sent?: { readonly nonce: string; readonly pointer: string; readonly atMs: number };
}

/** All that isn't to be had again when a home has forgotten everything but its sockets. */
export interface SavedSession extends Grant {
  readonly heardMs: number;
  /** Nonces that were given out. */
  readonly nonces: number;
  /** Key sets belong to its configuration, and grow old without a commit. */
  readonly usesKeys: boolean;
  readonly subscriptions: readonly SavedSubscription[];
}

export interface StreamSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
  /** Bytes that the peer hasn't taken; 0 where the runtime doesn't say. */
  buffered(): number;
  /** When a ping was answered that nobody else saw. */
  pingedMs(): number;
  /** Kept with the socket; at most 16 KB. */
  save(session: SavedSession): void;
}
