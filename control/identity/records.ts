/** What the authority keeps in the store. None of it is a resource: no listing, history or watch shows it. */
import type { ProvenBy } from './authority.ts';
import type { WrappedKey } from './key-wrapping.ts';
import type { KeyKind } from './x509.ts';

/** All but the log of certificates, which is large. */
export const CA_PREFIX = '!ca/';
export const STATE_KEY = '!ca/state';
export const GENERATION_PREFIX = '!ca/generation/';
export const PENDING_KEY = '!ca/pending';
export const DENIED_SERIAL_PREFIX = '!ca/denied/serial/';
export const DENIED_IDENTITY_PREFIX = '!ca/denied/identity/';
export const TOKEN_KEY_PREFIX = '!ca/token-key/';
export const FEDERATION_PREFIX = '!ca/federation/';
/** `{notAfterMs, 15 digits}/{serial}`: what expires first stands first. */
export const ISSUED_PREFIX = '!issued/';

/** steady: one root. trusting: the next root is believed too. switched: the next one's intermediate signs, both are believed. */
export type Stage = 'steady' | 'trusting' | 'switched';

export interface AuthorityState {
  /** Whose key signs. */
  readonly signer: number;
  readonly stage: Stage;
  /** trusting: who will sign. */
  readonly next?: number;
  /** switched: who signed before. */
  readonly previous?: number;
  readonly sinceMs: number;
  readonly actor: string;
  /** Ever given; the next one has one more. */
  readonly lastGeneration: number;
  /** Since when keys rest under the secret that they rest under now. */
  readonly secretSinceMs?: number;
}

/** A signer: its key, and the chain that leads to its root. */
export interface Generation {
  readonly generation: number;
  /** The domain when it was made: a part of what the wrapped key is bound to. */
  readonly trustDomain: string;
  /** PEM. */
  readonly root: string;
  /** PEM; the issuing certificate first, without the root. */
  readonly chain: readonly string[];
  readonly kind: KeyKind;
  readonly key: WrappedKey;
  readonly createdMs: number;
  readonly actor: string;
  readonly warnings: readonly string[];
  /** Since when it signs no certificates any more, only its list of revoked ones. */
  readonly retiredMs?: number;
}

/** A key whose certificate is still to come: the request for it was given out. */
export interface Pending {
  readonly trustDomain: string;
  readonly generation: number;
  readonly key: WrappedKey;
  /** PEM of the request. */
  readonly request: string;
  readonly createdMs: number;
}

export interface Denied {
  /** Serial in lower-case hex, or identity. */
  readonly name: string;
  readonly reason: string;
  readonly actor: string;
  readonly atMs: number;
  /** Serials: when the certificate ends by itself; the entry goes then. */
  readonly untilMs?: number;
  /** Serials that the log knows: whose, and by which signer. */
  readonly identity?: string;
  readonly generation?: number;
}

export interface IssuedRecord {
  readonly serial: string;
  readonly identity: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly actor: string;
  readonly provenBy: ProvenBy;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly keyHash: string;
  readonly generation: number;
}

/** Signs workload identity tokens. */
export interface TokenKey {
  readonly kid: string;
  /** JWK with kid and alg. */
  readonly publicKey: Readonly<Record<string, unknown>>;
  readonly key: WrappedKey;
  readonly createdMs: number;
  /** From then on it signs: its public half has reached every proxy. */
  readonly activeMs: number;
}

/** Another trust domain, as its own bundle endpoint or a file describes it. */
export interface Federation {
  readonly trustDomain: string;
  /** Absent: it came as a file. */
  readonly url?: string;
  /** PEM. */
  readonly roots: readonly string[];
  readonly tokenKeys: readonly Readonly<Record<string, unknown>>[];
  readonly sequence?: number;
  readonly refreshHintMs: number;
  readonly addedMs: number;
  /** When it was read last with other content than before. */
  readonly changedMs: number;
  readonly actor: string;
}

export const generationKey = (generation: number): string =>
  `${GENERATION_PREFIX}${String(generation).padStart(8, '0')}`;
/** What a signer's wrapped key is bound to. */
export const keyPurpose = ({
  trustDomain,
  generation,
}: Pick<Generation, 'trustDomain' | 'generation'>): string => `ca/${trustDomain}/${generation}`;
export const tokenKeyPurpose = (kid: string): string => `token/${kid}`;
export const issuedKey = ({
  notAfterMs,
  serial,
}: Pick<IssuedRecord, 'notAfterMs' | 'serial'>): string =>
  `${ISSUED_PREFIX}${String(notAfterMs).padStart(15, '0')}/${serial}`;
