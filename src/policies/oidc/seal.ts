/** Sealed text: AES-256-GCM under a key of the Secret, `<key id>.<nonce and cipher text>`. */
import { decodeBase64url, encodeBase64url } from '../../lib/base64url.ts';
import type { Random } from '../../host/host.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const MAX_KEYS = 8;
const LINE = /^([A-Za-z0-9_-]{1,16}):([A-Za-z0-9+/_-]{43})=?$/;

/** The first seals, every one opens. */
export type SealKeys = ReadonlyMap<string, CryptoKey>;

/** Lines `<key id>:<32 bytes in base64>`. @returns undefined where a line is none, or there is none */
export async function readSealKeys(text: string): Promise<SealKeys | undefined> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0 || lines.length > MAX_KEYS) return undefined;
  const keys = new Map<string, CryptoKey>();
  for (const line of lines) {
    const [, id = '', base64 = ''] = LINE.exec(line.trim()) ?? [];
    const bytes = decodeBase64url(base64.replaceAll('+', '-').replaceAll('/', '_'));
    if (bytes?.length !== KEY_BYTES || keys.has(id)) return undefined;
    const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, [
      'encrypt',
      'decrypt',
    ]);
    keys.set(id, key);
  }
  return keys;
}

const bytesOfHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const encoder = new TextEncoder();

export class Sealer {
  readonly #random: Random;
  /** What it is for, so that nothing sealed for something else opens here. */
  readonly #purpose: Uint8Array<ArrayBuffer>;

  constructor(random: Random, purpose: readonly string[]) {
    this.#random = random;
    this.#purpose = encoder.encode(JSON.stringify(purpose));
  }

  async seal(keys: SealKeys, value: unknown): Promise<string> {
    const [entry] = keys;
    if (entry === undefined) throw new Error('there is no key to seal with');
    const [id, key] = entry;
    const nonce = Uint8Array.from(bytesOfHex(this.#random.hex(NONCE_BYTES)));
    const sealed = new Uint8Array(
      await crypto.subtle.encrypt(
        { name: 'AES-GCM', iv: nonce, additionalData: this.#purpose },
        key,
        encoder.encode(JSON.stringify(value)),
      ),
    );
    const all = new Uint8Array(NONCE_BYTES + sealed.length);
    all.set(nonce);
    all.set(sealed, NONCE_BYTES);
    return `${id}.${encodeBase64url(all)}`;
  }

  /** Undefined = it wasn't sealed by one of these keys for this, or was changed since. */
  async open(keys: SealKeys, text: string): Promise<unknown> {
    const dot = text.indexOf('.');
    const key = keys.get(text.slice(0, Math.max(0, dot)));
    const all = decodeBase64url(text.slice(dot + 1));
    if (key === undefined || all === undefined || all.length <= NONCE_BYTES) return undefined;
    try {
      const opened = await crypto.subtle.decrypt(
        {
          name: 'AES-GCM',
          iv: all.subarray(0, NONCE_BYTES),
          additionalData: this.#purpose,
        },
        key,
        all.subarray(NONCE_BYTES),
      );
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(opened));
    } catch {
      return undefined;
    }
  }
}
