/**
 * The credential of a mesh where no mutual TLS is visible: who the caller is (workload identity token, WIT), and a proof
 * for each call that it holds the key which the token names (workload proof token, WPT).
 */

/** What is spoken, so that drafts can move: draft-ietf-wimse-wpt-02 with the claims that `ProofClaims` names besides. */
export const PROFILE = 'wimse-wpt/02';
/** Lower case. */
export const IDENTITY_HEADER = 'workload-identity-token';
export const PROOF_HEADER = 'workload-proof-token';
/** Label of an endpoint that takes credentials: the profile, which no slash may stand in there. */
export const CREDENTIAL_LABEL = 'lateen.io/credential';
export const PROFILE_LABEL: string = PROFILE.replace('/', '.');
/** Label of an endpoint that wants bodies bound too: `sha-256`. */
export const DIGEST_LABEL = 'lateen.io/credential-digest';

export const IDENTITY_TYPE = 'wit+jwt';
export const PROOF_TYPE = 'wpt+jwt';
/** The one algorithm; SPIFFE's list for such tokens has no EdDSA. */
export const ALGORITHM = 'ES256';
export const KEY_PARAMETERS: EcKeyImportParams = { name: 'ECDSA', namedCurve: 'P-256' };
export const SIGNATURE_PARAMETERS: EcdsaParams = { name: 'ECDSA', hash: 'SHA-256' };

export const MAX_TOKEN_LENGTH = 8192;
/** Of a proof, from iat to exp. */
export const PROOF_LIFETIME_S = 30;
export const CLOCK_SKEW_S = 60;
/** A body that is bound to a proof is held in memory to be compared. */
export const MAX_DIGESTED_BYTES = 1_048_576;

/** Why a credential is refused; in logs and as `reason` of the reply, never with anything of the credential. */
export type CredentialFault =
  | 'incomplete'
  | 'repeated'
  | 'malformed'
  | 'type'
  | 'algorithm'
  | 'critical_header'
  | 'claims'
  | 'key_of_domain'
  | 'signature'
  | 'confirmation_key'
  | 'expired'
  | 'not_yet_valid'
  | 'lifetime'
  | 'denied'
  | 'target'
  | 'method'
  | 'query'
  | 'token_hash'
  | 'body_digest'
  | 'replayed'
  | 'replay_cache_full'
  | 'other_than_certificate';
