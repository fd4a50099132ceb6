/** RFC 9113, 7. */
export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** The connection can't go on: its peer broke a rule that concerns all streams. Thrown within a read, never out of it. */
export class ConnectionFault extends Error {
  readonly code: number;
  /** One token, for logs. */
  readonly reason: string;

  constructor(code: number, reason: string) {
    super(reason);
    this.name = 'ConnectionFault';
    this.code = code;
    this.reason = reason;
  }
}

export const protocolFault = (reason: string): ConnectionFault =>
  new ConnectionFault(ErrorCode.protocolError, reason);

export const sizeFault = (reason: string): ConnectionFault =>
  new ConnectionFault(ErrorCode.frameSizeError, reason);

export const floodFault = (reason: string): ConnectionFault =>
  new ConnectionFault(ErrorCode.enhanceYourCalm, reason);

export const compressionFault = (reason: string): ConnectionFault =>
  new ConnectionFault(ErrorCode.compressionError, reason);
