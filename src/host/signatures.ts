/** True = the signature over these bytes is of that key. */
export type SignatureCheck = (data: Uint8Array, signature: Uint8Array) => boolean;

/**
 * A check with one public key (RFC 7517) and one algorithm (RFC 7518) that answers at once.
 * Undefined = this runtime can't, or the key is unfit.
 */
export type CheckFor = (
  key: Readonly<Record<string, unknown>>,
  alg: string,
) => SignatureCheck | undefined;
