/** PKCS#10: asks for a certificate and proves to have the key. It names nobody, as no name in it would count. */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface AskedKey {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo (DER). */
  readonly publicKey: Buffer;
  /** DER, base64. */
  readonly csr: string;
}

function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

const sequence = (...contents: readonly Uint8Array[]): Buffer => element(0x30, ...contents);
const VERSION_1 = element(0x02, Buffer.from([0]));
const NO_ATTRIBUTES = element(0xa0);
/** 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = sequence(element(0x06, Buffer.from('2a8648ce3d040302', 'hex')));

/** A key that never leaves this machine, and the request for its certificate. */
export function createAskedKey(): AskedKey {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' });
  const { privateKey } = keys;
  const info = sequence(VERSION_1, sequence(), publicKey, NO_ATTRIBUTES);
  const signature = element(0x03, Buffer.from([0]), sign('sha256', info, privateKey));
  const csr = sequence(info, ECDSA_WITH_SHA256, signature).toString('base64');
  return { privateKey, publicKey, csr };
}
