/** The snapshot can't be run; the one before stays. */
export class LinkError extends Error {
  readonly code = 'LAT0201';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'LinkError';
  }
}
