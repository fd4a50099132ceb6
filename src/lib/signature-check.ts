/** Signature checks by WebCrypto, which every runtime has. */

import type { Fields } from './fields.ts';

export type SignatureCheck = (
  data: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
) => Promise<boolean>;

interface Suite {
  readonly import: RsaHashedImportParams | EcKeyImportParams | HmacImportParams | Algorithm;
  readonly verify: RsaPssParams | EcdsaParams | Algorithm;
}

const CURVES: Readonly<Record<string, string>> = { '256': 'P-256', '384': 'P-384', '512': 'P-521' };

function suiteOf(alg: string): Suite {
  if (alg === 'EdDSA' || alg === 'Ed25519')
    return { import: { name: 'Ed25519' }, verify: { name: 'Ed25519' } };
  const bits = alg.slice(2);
  const hash = `SHA-${bits}`;
  switch (alg.slice(0, 2)) {
    case 'RS':
      return { import: { name: 'RSASSA-PKCS1-v1_5', hash }, verify: { name: 'RSASSA-PKCS1-v1_5' } };
    case 'PS':
      return {
        import: { name: 'RSA-PSS', hash },
        verify: { name: 'RSA-PSS', saltLength: Number(bits) / 8 },
      };
    case 'ES':
      return {
        import: { name: 'ECDSA', namedCurve: CURVES[bits] ?? '' },
        verify: { name: 'ECDSA', hash },
      };
    default:
      return { import: { name: 'HMAC', hash }, verify: { name: 'HMAC' } };
  }
}

/** `alg`, `kid`, `use`, `key_ops` and `ext` say what a key is for; that was asked before. */
function plainKey(key: Fields): JsonWebKey {
  const names = ['kty', 'n', 'e', 'crv', 'x', 'y', 'k'];
  return Object.fromEntries(
    names.filter((name) => typeof key[name] === 'string').map((name) => [name, key[name]]),
  );
}

/** Never rejects: a key that can't be read verifies nothing. */
export function importCheck(key: Fields, alg: string): SignatureCheck {
  const suite = suiteOf(alg);
  const imported = crypto.subtle.importKey('jwk', plainKey(key), suite.import, false, ['verify']);
  imported.catch(() => undefined);
  return async (data, signature) => {
    try {
      return await crypto.subtle.verify(suite.verify, await imported, signature, data);
    } catch {
      return false;
    }
  };
}
