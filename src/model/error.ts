/** Whose fault it was; decides the response and whether somebody should be woken. */
export type ErrorSide = 'client' | 'mesh' | 'upstream';

/** Why an attempt brought no response head. At the edge every one of them reads `unknown`. */
export type UpstreamFailure =
  | 'connect-failure'
  | 'connect-timeout'
  | 'refused-stream'
  | 'reset-before-request'
  | 'reset'
  | 'protocol-error'
  /** TLS stands, and what was agreed on isn't the protocol that the upstream is to be spoken to with. */
  | 'alpn-mismatch'
  /** The upstream showed no certificate that proves who it must be. */
  | 'certificate-refused'
  /** TLS is wanted, and the proxy lacks what it takes: nothing goes out without. */
  | 'tls-unavailable'
  /** The client wants another protocol than HTTP, which the upstream's HTTP/2 can't be asked for. */
  | 'upgrade-unsupported'
  | 'timeout'
  /** More waited for a connection than the cluster lets wait. */
  | 'overflow'
  | 'unknown';

/** Error with a stable code. `detail` may be shown to a client, `cause` never. */
export class MeshError extends Error {
  readonly code: string;
  readonly side: ErrorSide;
  readonly status: number;
  readonly detail: string;

  constructor(
    code: string,
    fields: { side: ErrorSide; status: number; detail: string; cause?: unknown },
  ) {
    super(fields.detail, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'MeshError';
    this.code = code;
    this.side = fields.side;
    this.status = fields.status;
    this.detail = fields.detail;
  }
}
