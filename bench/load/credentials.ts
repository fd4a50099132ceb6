/** Who the clients are: a token, and certificates of one authority. */
import { writeFileSync } from 'node:fs';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Credentials, Pair } from './contract.ts';
import { ISSUER } from './contract.ts';

export async function createCredentials(): Promise<{
  readonly credentials: Credentials;
  readonly pki: Pki;
}> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256' };
  const token = await new SignJWT({ groups: ['people', 'shoppers'] })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setSubject('somebody')
    .setIssuedAt()
    .setExpirationTime('12h')
    .sign(privateKey);
  const pki = new Pki();
  const authority = pki.authority('bench');
  const pair = (name: string): Pair => {
    const identity = `spiffe://cluster.local/ns/default/sa/${name}`;
    const { certificate, key } = authority.issue({ names: `URI:${identity},DNS:${name}` });
    const files = { certificate: pki.path(`${name}.pem`), key: pki.path(`${name}.pem.key`) };
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key);
    return files;
  };
  return {
    pki,
    credentials: {
      token,
      jwks: JSON.stringify({ keys: [key] }),
      authority: pki.path('bench.crt'),
      server: pair('h5.example.com'),
      client: pair('client.example.com'),
    },
  };
}
