/**
 * The port of the certificate authority: what else of the control plane asks of it. Who may have which identity is for
 * the caller to know; the authority signs what it is told, and writes down each certificate.
 */
import type { StoreChange } from '../../src/model/store.ts';
import type { TrustSettings } from '../../src/model/trust.ts';

/** How somebody proved to be who the certificate says. */
export type ProvenBy = 'join-token' | 'oidc' | 'renewal' | 'operator';

export interface IssueRequest {
  /** `trust.domain/ns/a/sa/b`, of the mesh's own domain; the only name that the certificate shows. */
  readonly identity: string;
  /** SubjectPublicKeyInfo (DER) of a key on P-256, of which the asker has proven to hold the private half. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** @default 24 hours; less is granted where the authority itself ends sooner */
  readonly ttlMs?: number;
  /** For the log: a token's id, an OIDC subject, a serial, a person. */
  readonly actor: string;
  readonly provenBy: ProvenBy;
}

export interface IssuedCertificate {
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** PEM: the leaf, then the intermediates below the root. */
  readonly chain: string;
}

export interface Authority {
  readonly trustDomain: string;
  /**
   * Signs a leaf. The log's record and `alongside` (as the consumption of a join token) are one transaction: nothing is
   * issued when that conflicts. @throws Problem 409 then, 403 when the identity is denied, 422 when the key or identity
   * is not as wanted, 503 when there is no signer
   */
  issue(request: IssueRequest, alongside?: readonly StoreChange[]): Promise<IssuedCertificate>;
  /** A JWS (compact, ES256) under the issuing certificate, whose chain below the root is its `x5c`. */
  signStatement(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** A workload identity token (`typ` wit+jwt) for the holder of the key. @throws Problem as `issue` does */
  issueToken(request: {
    readonly identity: string;
    /** Public JWK; ES256. */
    readonly key: Readonly<Record<string, unknown>>;
    /** @default one hour */
    readonly ttlMs?: number;
    readonly actor: string;
  }): Promise<{ readonly token: string; readonly expiresMs: number }>;
  /** Is it certified and not denied? By serial, for renewals and machines that show a certificate. */
  isDenied(certificate: { readonly serial: string; readonly identity: string }): Promise<boolean>;
  /** What proxies are to believe now. Undefined = no authority was set up. */
  trust(): Promise<TrustSettings | undefined>;
}
