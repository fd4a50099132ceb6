/** What a session leaves on a request: who asks, and the headers that say so. */
import type { Fields } from '../../lib/fields.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { OidcConfig } from './config.ts';
import type { Session } from './session.ts';

/** Of the token, not of the person; a session has its own times. */
const OF_TOKEN = new Set(['nonce', 'at_hash', 'c_hash', 's_hash', 'exp', 'iat', 'nbf', 'jti']);

export function keptClaims(claims: Fields): Fields {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !OF_TOKEN.has(name)));
}

function claimAt(claims: Fields, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  return value;
}

/** Texts, numbers and booleans as they are, lists of such with commas between; nothing else is one value. */
function claimText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value === 'boolean' || Number.isFinite(value)) return String(value);
  if (!Array.isArray(value)) return undefined;
  const parts = value.map((entry) => (Array.isArray(entry) ? undefined : claimText(entry)));
  // A comma inside would make two of one.
  if (parts.length === 0 || parts.some((part) => part === undefined || part.includes(',')))
    return undefined;
  return parts.join(',');
}

/** What isn't ASCII would be another character in a header. */
const inHeader = (text: string): string =>
  text.replaceAll(/[^\x20-\x24\x26-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()));

export interface Outputs {
  readonly identity: RequestIdentity;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** `breaks`: a claim holds a control character, and whoever put it there meant to end the header. */
export function outputsOf(
  config: OidcConfig,
  { claims, accessToken }: Session,
): Outputs | 'breaks' {
  const { issuer, claimHeaders, forwardsAccessToken } = config;
  const subject = String(claims['sub']);
  const { aud, azp } = claims;
  const headers: [string, string][] = [];
  for (const { header, claim } of claimHeaders) {
    const text = claimText(claimAt(claims, claim));
    if (text === undefined) continue;
    if (/[\x00-\x1f\x7f]/.test(text)) return 'breaks';
    headers.push([header, inHeader(text)]);
  }
  if (forwardsAccessToken && accessToken !== undefined)
    headers.push(['authorization', `Bearer ${accessToken}`]);
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter(
    (one): one is string => typeof one === 'string',
  );
  return {
    identity: {
      principal: `${issuer}/${subject}`,
      issuer,
      subject,
      audiences,
      ...(typeof azp === 'string' ? { presenter: azp } : {}),
      claims,
      spaceDelimitedClaims: [],
    },
    headers,
  };
}
