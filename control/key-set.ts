/** A key set as an issuer publishes it: what of it may verify tokens, and for how long it holds. */
import { publishedKeyFault, verifyingKey } from '../src/lib/jwk.ts';
import type { KeySet } from '../src/model/snapshot.ts';

export interface ReadKeys {
  readonly keys: KeySet['keys'];
  /** One sentence for each key that was left out. */
  readonly dropped: readonly string[];
}

const MAX_BYTES = 256 * 1024;
const MAX_KEYS = 100;
/** What an answer without max-age counts as. */
const DEFAULT_AGE_MS = 20 * 60_000;
const MIN_AGE_MS = 60_000;
const MAX_AGE_MS = 60 * 60_000;
const MAX_SHOWN = 80;

function nameOf(key: unknown, index: number): string {
  const kid = typeof key === 'object' && key !== null && 'kid' in key ? key.kid : undefined;
  return typeof kid === 'string' ? JSON.stringify(kid.slice(0, MAX_SHOWN)) : `number ${index}`;
}

/** @throws Error when the text is no key set, or has too many keys */
export function readKeys(text: string): ReadKeys {
  let keys: unknown;
  try {
    keys = (JSON.parse(text) as { keys?: unknown } | null)?.keys;
  } catch {
    throw new Error('the answer is no JSON');
  }
  if (!Array.isArray(keys)) throw new Error('the answer is no key set: it has no list of keys');
  if (keys.length > MAX_KEYS)
    throw new Error(`the answer has ${keys.length} keys, want at most ${MAX_KEYS}`);
  const kept: KeySet['keys'][number][] = [];
  const dropped: string[] = [];
  for (const [index, key] of (keys as readonly unknown[]).entries()) {
    const fault = publishedKeyFault(key);
    if (fault === undefined) kept.push(verifyingKey({ ...(key as object) }));
    else dropped.push(`key ${nameOf(key, index)} is left out: ${fault}`);
  }
  return { keys: kept, dropped };
}

/** Cache-Control: max-age, within bounds. */
export function ageMs(response: Response): number {
  const seconds = /(?:^|[,\s])max-age="?(\d{1,9})/i.exec(
    response.headers.get('cache-control') ?? '',
  )?.[1];
  const age = seconds === undefined ? DEFAULT_AGE_MS : Number(seconds) * 1000;
  return Math.min(MAX_AGE_MS, Math.max(MIN_AGE_MS, age));
}

function checkHead(response: Response): void {
  if (response.status >= 300 && response.status < 400)
    throw new Error(`answered ${response.status}: redirects are not followed`);
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
  const type = response.headers.get('content-type') ?? '';
  if (!/^application\/(?:[-\w.]+\+)?json\s*(?:;|$)/i.test(type))
    throw new Error(
      `answered with content type ${JSON.stringify(type.slice(0, MAX_SHOWN))}, want application/json`,
    );
}

/**
 * Reads no more than the limit, whatever the answer says of its length.
 * @throws Error for another status than 200, another type than JSON, or too many bytes
 */
export async function readAnswer(response: Response): Promise<string> {
  try {
    checkHead(response);
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
  if (response.body === null) return '';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MAX_BYTES) {
      await reader.cancel();
      throw new Error(`the answer has more than ${MAX_BYTES} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** Where an issuer says that its keys are. @throws Error when the document isn't the issuer's own */
export function readDiscovery(text: string, issuer: string): string {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('its discovery document is no JSON');
  }
  const { issuer: stated, jwks_uri: uri } = (document ?? {}) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  };
  // Without this an issuer could have its tokens verified by another's keys (RFC 8414, 3.3).
  if (stated !== issuer) {
    const shown = JSON.stringify(stated ?? null).slice(0, MAX_SHOWN);
    throw new Error(`its discovery document is of issuer ${shown}, want "${issuer}"`);
  }
  if (typeof uri !== 'string') throw new Error('its discovery document names no jwks_uri');
  return uri;
}
