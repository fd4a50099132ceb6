/** How a rule's key set is named where keys are delivered apart from it. */

/** Before an issuer whose discovery document says where its keys are. */
export const ISSUER_PREFIX = 'issuer:';

/** '' where a rule names neither. */
export function keySetName(rule: { readonly jwksUri?: string; readonly issuer?: string }): string {
  if ((rule.jwksUri ?? '') !== '') return rule.jwksUri ?? '';
  return (rule.issuer ?? '') === '' ? '' : `${ISSUER_PREFIX}${rule.issuer ?? ''}`;
}
