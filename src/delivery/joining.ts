/**
 * How a proxy comes by its identity: what it and the control plane say to each other. A join token names the root that it
 * believes, so nobody whom that root hasn't certified ever reads the token; what is answered is signed under that root.
 */

import { identityFault } from '../lib/spiffe-id.ts';

/** GET; answers `{statement}`, of JoinKeyClaims, and `{roots}`, PEM. */
export const JOIN_KEY_PATH = '/v1/identity/join-key';
/** POST of `{jwe}`, which holds a JoinRequest; answers `{statement}`, of CertifiedClaims. */
export const JOIN_PATH = '/v1/identity/join';
/** POST of `{proof}`, a JWS of RenewalClaims under the certificate that is in use; answers `{statement}` as joining does. */
export const RENEW_PATH = '/v1/identity/renew';

/** `typ` of a statement, so that it passes for nothing else (RFC 8725, 3.11). */
export const STATEMENT_TYPE = 'lateen-statement+jws';
/** A statement is made for one purpose and is nothing for another. */
export const JOIN_KEY_PURPOSE = 'lateen/join-key';
export const CERTIFIED_PURPOSE = 'lateen/certified';
/** `typ` of a proof. */
export const RENEWAL_TYPE = 'lateen-renewal+jwt';

export const JOIN_KEY_ALGORITHM = 'ECDH-ES';
export const JOIN_ENCRYPTION = 'A256GCM';

/** Clocks may differ by so much. */
export const CLOCK_SKEW_MS = 60_000;
/** How long a join token may hold. */
export const MAX_JOIN_TOKEN_MS: number = 15 * 60_000;
/** Of a body that asks to join or to renew. */
export const MAX_JOIN_BYTES: number = 32 * 1024;
/** A chain of more certificates is nobody's. */
export const MAX_CHAIN = 5;

type Jwk = Readonly<Record<string, unknown>>;

export interface JoinKeyClaims {
  readonly purpose: typeof JOIN_KEY_PURPOSE;
  readonly trustDomain: string;
  /** Public, on P-256, with `kid`. */
  readonly key: Jwk;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
}

export interface JoinRequest {
  /** Random; the answer brings it back. */
  readonly nonce: string;
  /** PKCS#10 (DER), base64: proves that the asker has the key. No name in it counts. */
  readonly csr: string;
  /** Text of a join token; or else `oidc`, a JWT of the workload's platform. */
  readonly token?: string;
  readonly oidc?: string;
}

export interface CertifiedClaims {
  readonly purpose: typeof CERTIFIED_PURPOSE;
  readonly nonce: string;
  readonly trustDomain: string;
  /** `trust.domain/ns/a/sa/b` */
  readonly identity: string;
  /** PEM: the leaf, then the intermediates below the root. */
  readonly chain: string;
  /** PEM of every root of the trust domain that counts now. */
  readonly roots: readonly string[];
  readonly expiresMs: number;
  readonly iat: number;
}

export interface RenewalClaims {
  /** `spiffe://trust.domain` */
  readonly aud: string;
  readonly iat: number;
  /** Random; counts once, and comes back as the nonce. */
  readonly jti: string;
  /** As in JoinRequest, of a new key. */
  readonly csr: string;
}

export interface JoinToken {
  /** 16 hex digits; what lists and logs show. */
  readonly id: string;
  /** 48 hex digits. */
  readonly secret: string;
  /** SHA-256 (hex) of the root certificate's DER. */
  readonly root: string;
  /** `trust.domain/ns/a/sa/b` that it gives. */
  readonly identity: string;
}

const TOKEN = /^latjoin_([0-9a-f]{16})_([0-9a-f]{48})_([0-9a-f]{64})_(.+)$/;
const MAX_TOKEN = 2300;

export function joinTokenText({ id, secret, root, identity }: JoinToken): string {
  return `latjoin_${id}_${secret}_${root}_${identity}`;
}

/** Undefined = it is no join token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  if (text.length > MAX_TOKEN) return undefined;
  const [, id, secret, root, identity] = TOKEN.exec(text) ?? [];
  if (id === undefined || secret === undefined || root === undefined || identity === undefined)
    return undefined;
  if (identityFault(identity) !== undefined) return undefined;
  return { id, secret, root, identity };
}
