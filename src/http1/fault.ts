/** Why a head is refused. */
export class HeadFault {
  /** What a server answers; towards a backend every fault is a protocol error. */
  readonly status: number;
  /** One token, for logs. */
  readonly reason: string;

  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}

export const malformed = (reason: string): HeadFault => new HeadFault(400, reason);
export const tooLarge = (reason: string): HeadFault => new HeadFault(431, reason);

/** What a head may be at most. */
export interface HeadLimits {
  /** Whole head, the empty line included. @default 65536 */
  readonly headBytes: number;
  /** Field lines. @default 100 */
  readonly headers: number;
  /** One line without its end: start line (414) or field (431). @default 16384 */
  readonly line: number;
}

export const DEFAULT_LIMITS: HeadLimits = { headBytes: 65_536, headers: 100, line: 16_384 };
