/** What to do about a token that was refused, by the reason that the client was told. */

const BY_REASON: readonly (readonly [reason: RegExp, remedy: string])[] = [
  [/^Jwt is expired/, 'get a fresh token; clocks may differ by 60 s'],
  [/^Jwt not yet valid/, 'use the token later, or compare the clocks: they may differ by 60 s'],
  [/^Jwt issuer is not/, 'send a token of that issuer, or add a rule with the issuer of this one'],
  [/^Audiences in Jwt/, "get a token for this audience, or add the token's to the rule"],
  [
    /^Jwks remote fetch/,
    'no keys are there to hold it against: of what a proxy runs the condition JwksStale of the RequestAuthentication says why; files alone say no keys that have to be fetched',
  ],
  [
    /^Jwks doesn't have/,
    'compare kid and alg in the header of the token with the keys of the issuer: alg counts where a key says one',
  ],
  [
    /^Jwt verification fails/,
    'the signature is of another key or other content, or the header has crit, b64 or a typ for something else: send the token as the issuer gave it',
  ],
  [
    /^Jwt is not in the form/,
    'send one token of three parts, at most 16,384 characters, and one Authorization header',
  ],
  [/^Jwt (?:header|payload)/, 'have the issuer write the token as RFC 7519 wants it'],
];

/** `detail` of the step that denied; undefined = it is no token's. */
export function tokenRemedy(detail: string): string | undefined {
  return BY_REASON.find(([reason]) => reason.test(detail))?.[1];
}
