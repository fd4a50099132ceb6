/** Signature checks that answer at once: a verification by WebCrypto costs a turn of the loop and a thread beside. */
import type { Fields } from '../src/lib/fields.ts';
import { constants, createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { CheckFor, SignatureCheck } from '../src/host/signatures.ts';

const MEMBERS = ['kty', 'n', 'e', 'crv', 'x', 'y'];

function publicKey(key: Fields): KeyObject | undefined {
  const plain = Object.fromEntries(
    MEMBERS.filter((name) => typeof key[name] === 'string').map((name) => [name, key[name]]),
  );
  try {
    return createPublicKey({ key: plain, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function secretCheck(key: Fields, hash: string): SignatureCheck {
  const secret = Buffer.from(String(key['k']), 'base64url');
  return (data, signature) => {
    const own = createHmac(hash, secret).update(data).digest();
    return own.length === signature.length && timingSafeEqual(own, signature);
  };
}

/** The algorithm's name was held against the key before. */
export const checkFor: CheckFor = (key, alg) => {
  const family = alg.slice(0, 2);
  const hash = `sha${alg.slice(2)}`;
  if (family === 'HS') return secretCheck(key, hash);
  const object = publicKey(key);
  if (object === undefined) return undefined;
  switch (family) {
    case 'RS':
      return (data, signature) => verify(hash, data, object, signature);
    case 'PS': {
      const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
      return (data, signature) =>
        verify(hash, data, { key: object, padding, saltLength }, signature);
    }
    case 'ES':
      return (data, signature) =>
        verify(hash, data, { key: object, dsaEncoding: 'ieee-p1363' }, signature);
    default:
      return (data, signature) => verify(null, data, object, signature);
  }
};
