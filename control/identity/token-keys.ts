/**
 * Keys that sign workload identity tokens: on P-256 and apart from the authority's own. A new one is known to proxies
 * before it signs, and the one before stays known until its last token is over.
 */
import type { StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import type { KeyWrapping } from './key-wrapping.ts';
import type { TokenKey } from './records.ts';
import { TOKEN_KEY_PREFIX, tokenKeyPurpose } from './records.ts';
import { hexOf, newKeyPair, privateBytes } from './x509.ts';

const HOUR_MS = 3_600_000;
export const MAX_TOKEN_TTL_MS: number = 24 * HOUR_MS;
/** How long one key signs. */
const SIGNS_MS = 30 * 24 * HOUR_MS;
/** Known for so long before it signs: a proxy that polls has it by then. */
const AHEAD_MS = HOUR_MS;
/** For clocks that are behind. */
const SKEW_MS = 5 * 60_000;

/** A new key that signs from `activeMs` on. */
export async function makeTokenKey(
  wrapping: KeyWrapping,
  nowMs: number,
  activeMs: number = nowMs,
): Promise<TokenKey> {
  const keys = await newKeyPair();
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  const kid = hexOf(crypto.getRandomValues(new Uint8Array(8)));
  const pkcs8 = await privateBytes(keys.privateKey);
  const key = await wrapping.wrap(pkcs8, tokenKeyPurpose(kid));
  pkcs8.fill(0);
  return {
    kid,
    publicKey: { kty, crv, x, y, kid, alg: 'ES256', use: 'wit-svid' },
    key,
    createdMs: nowMs,
    activeMs,
  };
}

export const putTokenKey = (key: TokenKey): StoreChange => ({
  op: 'put',
  key: TOKEN_KEY_PREFIX + key.kid,
  value: JSON.stringify(key),
});

/** Who signs now: the newest of those whose time has come. @throws Problem 503 */
export function signingTokenKey(keys: readonly TokenKey[], nowMs: number): TokenKey {
  const found = keys.findLast(({ activeMs }) => activeMs <= nowMs);
  if (found === undefined)
    throw new Problem(503, 'no signer', 'no key signs tokens: `lateen ca init` makes one');
  return found;
}

/** What is due: a new key ahead of its time, and the end of those whose tokens are all over. */
export async function dueTokenKeys(
  keys: readonly TokenKey[],
  nowMs: number,
  wrapping: () => Promise<KeyWrapping>,
): Promise<StoreChange[]> {
  const newest = keys.at(-1);
  if (newest === undefined) return [];
  const signing = signingTokenKey(keys, nowMs);
  const isOver = ({ activeMs }: TokenKey): boolean =>
    activeMs < signing.activeMs && signing.activeMs + MAX_TOKEN_TTL_MS + SKEW_MS < nowMs;
  const over = keys.filter((key) => isOver(key));
  const isDue = newest.activeMs + SIGNS_MS - AHEAD_MS <= nowMs;
  return [
    ...over.map(({ kid }): StoreChange => ({ op: 'delete', key: TOKEN_KEY_PREFIX + kid })),
    ...(isDue ? [putTokenKey(await makeTokenKey(await wrapping(), nowMs, nowMs + AHEAD_MS))] : []),
  ];
}
