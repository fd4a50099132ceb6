/** Joining and renewing inside workerd, as in Node: the same code over WebCrypto. */
import { CompactEncrypt, CompactSign, decodeJwt, importJWK } from 'jose';
import type { JWK } from 'jose';
import { expect, it } from 'vitest';
import { CERTIFIED_PURPOSE, RENEWAL_TYPE } from '../../src/delivery/joining.ts';
import { DOMAIN, testAuthority } from '../../test/fixtures/authority.ts';
import { createKeys } from '../keys.ts';
import { Joining } from './joining.ts';
import { base64Of, x509 } from './x509.ts';

const IDENTITY = `${DOMAIN}/ns/shop/sa/cart`;
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const NONCE = 'a-nonce-of-enough-length';

interface Asked {
  readonly keys: CryptoKeyPair;
  readonly csr: string;
}

async function asked(): Promise<Asked> {
  const keys = await crypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: EC,
  });
  return { keys, csr: base64Of(request.rawData) };
}

async function joiningOf(): Promise<Joining> {
  const authority = await testAuthority();
  const { store } = authority;
  const nowMs = (): number => Date.now();
  const log = (): void => undefined;
  return new Joining({
    authority,
    store,
    keys: createKeys({
      fetch: (url, init) => fetch(url, init),
      nowMs,
      log,
      cache: { get: async () => undefined, set: async () => undefined },
    }),
    nowMs,
    randomHex: (length) =>
      [...crypto.getRandomValues(new Uint8Array(length))]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join(''),
    log,
  });
}

it('gives a certificate for a token, and another for that certificate', async () => {
  const joining = await joiningOf();
  const root = await joining.rootHash();
  const wanted = { identity: IDENTITY, ttlMs: 60_000, actor: 'test', root };
  const { token } = await joining.tokens.create(wanted);
  const { key } = decodeJwt<{ key: JWK }>((await joining.joinKey('a')).statement);
  const first = await asked();
  const jwe = await new CompactEncrypt(
    new TextEncoder().encode(JSON.stringify({ nonce: NONCE, csr: first.csr, token })),
  )
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: key.kid ?? '' })
    .encrypt(await importJWK(key, 'ECDH-ES'));
  const certified = decodeJwt<{ chain: string }>(await joining.join(jwe, 'a'));
  expect(certified).toMatchObject({
    purpose: CERTIFIED_PURPOSE,
    nonce: NONCE,
    identity: IDENTITY,
  });
  await expect(joining.join(jwe, 'a')).rejects.toThrow(/was used already/);

  const x5c = x509.PemConverter.decode(certified.chain).map((der) => base64Of(der));
  const claims = {
    aud: `spiffe://${DOMAIN}`,
    iat: Math.floor(Date.now() / 1000),
    jti: crypto.randomUUID(),
    csr: (await asked()).csr,
  };
  const proof = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'ES256', typ: RENEWAL_TYPE, x5c })
    .sign(first.keys.privateKey);
  expect(decodeJwt(await joining.renew(proof, 'a'))).toMatchObject({ identity: IDENTITY });
  await expect(joining.renew(proof, 'a')).rejects.toThrow(/was used already/);
});
