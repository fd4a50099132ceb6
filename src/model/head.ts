/**
 * The one port through which the engine and the policies see a message.
 *
 * Names are given in lower case. Reads see edits. Implementations: over Web Headers
 * (drivers/web-head), over the received latin1 head (http1/raw-head).
 */
export interface HeaderBlock {
  /**
   * True where the runtime has already joined repeated fields with ", ", so that `a, b` and
   * `a` + `b` can't be told apart. Policies then take the closed answer (DENY matches, ALLOW doesn't).
   */
  readonly joinsRepeated: boolean;
  /** The value, repeats joined with ","; undefined when absent. */
  get(name: string): string | undefined;
  /** Each value by itself, in order; a single joined one where `joinsRepeated`. */
  getAll(name: string): readonly string[];
  has(name: string): boolean;
  /** Replaces every value. */
  set(name: string, value: string): void;
  /** Appends one more value. */
  add(name: string, value: string): void;
  remove(name: string): void;
  /** Removes every field whose name begins so, or would with `-` for `_`. */
  removePrefix(prefix: string): void;
  /** Removes every field whose name is this one with `_` for one of its hyphens, or more; the name itself stays. */
  removeUnderscored(name: string): void;
  /** Visits each field with edits applied, lower-case names, wire order where it is known. */
  forEach(visit: (name: string, value: string) => void): void;
  /** How many edits were made: 0 lets a driver forward the message untouched. */
  readonly editCount: number;
}

/** A received request head. `target` and `authority` are as received; Exchange holds the canonical ones. */
export interface RequestHead extends HeaderBlock {
  readonly method: string;
  /** Of the connection that brought it, not of a header. */
  readonly scheme: 'http' | 'https';
  /** Host or :authority as received. */
  readonly authority: string;
  /** Origin-form target as received: path and query. */
  readonly target: string;
  /** A body follows, of whatever length. */
  readonly hasBody: boolean;
  /** It came by a protocol in which no call of gRPC can be answered. @default false */
  readonly isHttp1?: boolean;
}

/** A received response head. */
export interface ResponseHead extends HeaderBlock {
  readonly status: number;
}
