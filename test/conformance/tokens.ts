/** Mints the tokens that cases ask for; one key pair a run. */
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey } from 'jose';
import type { CaseRequest } from './cases.ts';

export interface Minter {
  /** JSON text of the key set. */
  readonly jwks: string;
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  mint(claims: Readonly<Record<string, unknown>>, variant: string): Promise<string>;
}

const tokenPlace = /\{\{TOKEN(?::([a-z-]+))?(\.payload)?\}\}/g;

export async function createMinter(nowMs: number): Promise<Minter> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: 'conformance', alg: 'RS256', use: 'sig' };
  const now = Math.floor(nowMs / 1000);
  return {
    jwks: JSON.stringify({ keys: [key] }),
    keys: [key],
    mint: (claims, variant) => mint(privateKey, { claims, variant, now }),
  };
}

async function mint(
  key: CryptoKey,
  wanted: { claims: Readonly<Record<string, unknown>>; variant: string; now: number },
): Promise<string> {
  const { variant, now } = wanted;
  if (variant === 'malformed') return 'not-a-token';
  const expired = variant === 'expired';
  const claims: Record<string, unknown> = {
    iat: expired ? now - 7200 : now - 10,
    exp: expired ? now - 3600 : now + 3600,
    ...wanted.claims,
  };
  if (variant === 'wrong-issuer') claims['iss'] = 'https://wrong-issuer.test';
  if (variant === 'wrong-audience') claims['aud'] = 'wrong-audience';
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'conformance', typ: 'JWT' })
    .sign(key);
  if (variant !== 'bad-signature') return token;
  const dot = token.lastIndexOf('.') + 1;
  return token.slice(0, dot) + (token[dot] === 'A' ? 'B' : 'A') + token.slice(dot + 1);
}

/** The request with its token in place: at `{{TOKEN}}` where one stands, else in Authorization. */
export async function placeToken(request: CaseRequest, minter: Minter): Promise<CaseRequest> {
  const wanted = request.token ?? (request.claims === undefined ? 'none' : 'valid');
  const texts = [request.path ?? '', ...(request.headers ?? []).map(([, value]) => value)];
  const claims = request.claims ?? { iss: 'https://issuer.test', sub: 'conformance' };
  const filled = new Map<string, string>();
  for (const text of texts)
    for (const [place, variant, payload] of text.matchAll(tokenPlace)) {
      const token = await minter.mint(claims, variant ?? (wanted === 'none' ? 'valid' : wanted));
      filled.set(place, payload === undefined ? token : (token.split('.')[1] ?? ''));
    }
  const fill = (text: string): string =>
    text.replaceAll(tokenPlace, (place) => filled.get(place) ?? place);
  const headers = (request.headers ?? []).map(([name, value]): [string, string] => [
    name,
    fill(value),
  ]);
  if (wanted !== 'none' && filled.size === 0)
    headers.push(['authorization', `Bearer ${await minter.mint(claims, wanted)}`]);
  return {
    ...request,
    headers,
    ...(request.path === undefined ? {} : { path: fill(request.path) }),
  };
}
