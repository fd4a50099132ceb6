/** Certificates and keys of a proxy: they travel by a channel of their own, and never in a snapshot. */

/** PEM texts of one Secret. */
export interface SecretMaterial {
  /** Certificate, and the chain behind it. */
  readonly certificate?: string;
  readonly key?: string;
  /** Authorities by which the peer's certificate is held. */
  readonly authorities?: string;
  /** Revocation list of those authorities. */
  readonly revoked?: string;
  /** Every entry, of one that policies read; it goes by `valuesName`. Private keys of certificates aren't among them. */
  readonly values?: Readonly<Record<string, string>>;
}

export interface SecretBundle {
  /** Made of names and revisions, so that it says nothing of what they hold. */
  readonly version: string;
  /** By `namespace/name`. */
  readonly secrets: Readonly<Record<string, SecretMaterial>>;
}
