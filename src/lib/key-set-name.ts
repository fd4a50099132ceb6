/** How a rule's key set is named where keys are delivered apart from it. */

/** Before an issuer whose discovery document says where its keys are. */
export const ISSUER_PREFIX = 'issuer:';

/** What of a rule says where its keys are; both spellings of one field are admitted. */
export interface KeySource {
  readonly jwksUri?: string;
  readonly jwks_uri?: string;
  readonly jwks?: string;
  readonly issuer?: string;
}

export function jwksUriOf({ jwksUri = '', jwks_uri: other = '' }: KeySource): string {
  return jwksUri === '' ? other : jwksUri;
}

/** '' where a rule has its keys inline, or names neither. */
export function keySetName(rule: KeySource): string {
  if ((rule.jwks ?? '') !== '') return '';
  const uri = jwksUriOf(rule);
  if (uri !== '') return uri;
  return (rule.issuer ?? '') === '' ? '' : `${ISSUER_PREFIX}${rule.issuer ?? ''}`;
}
