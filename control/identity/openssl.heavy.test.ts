/** OpenSSL's word on what the authority makes, and the authority on what OpenSSL makes. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  DOMAIN,
  emptyAuthority,
  testAuthority,
  workloadKey,
} from '../../test/fixtures/authority.ts';
import type { LocalAuthority } from './create-authority.ts';
import { createRevocationLists } from './crl.ts';
import { deny } from './deny.ts';
import { install } from './setup.ts';

const IDENTITY = `${DOMAIN}/ns/shop/sa/cart`;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lateen-openssl-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);
const openssl = (...words: readonly string[]): string =>
  execFileSync('openssl', words, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
const write = (name: string, text: string | Uint8Array): void => writeFileSync(at(name), text);
const read = (name: string): string => readFileSync(at(name), 'utf8');

function refused(...words: readonly string[]): string {
  try {
    return openssl(...words);
  } catch (error) {
    const { stderr, stdout } = error as { stderr: string; stdout: string };
    return stdout + stderr;
  }
}

/** Writes leaf.pem and below.pem; the leaf's serial. */
async function issued(authority: LocalAuthority): Promise<string> {
  const { publicKey } = await workloadKey();
  const { chain, serial } = await authority.issue({
    identity: IDENTITY,
    publicKey,
    actor: 'test',
    provenBy: 'operator',
  });
  const [leaf = '', ...below] = chain.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----\n/g) ?? [];
  write('leaf.pem', leaf);
  write('below.pem', below.join(''));
  return serial;
}

const verify = (...words: readonly string[]): readonly string[] => [
  'verify',
  '-x509_strict',
  '-CAfile',
  'root.pem',
  '-untrusted',
  'below.pem',
  ...words,
  'leaf.pem',
];

describe('openssl', () => {
  it.each(['sslserver', 'sslclient'])('accepts the chain, strictly, as %s', async (purpose) => {
    const authority = await testAuthority();
    write('root.pem', authority.root.certificate);
    await issued(authority);
    expect(openssl(...verify('-purpose', purpose))).toBe('leaf.pem: OK\n');
    const text = openssl('x509', '-in', 'leaf.pem', '-noout', '-text');
    expect(text).toMatch(/Subject: *\n/);
    expect(text).toMatch(
      /Alternative Name: critical\s+URI:spiffe:\/\/mesh\.test\/ns\/shop\/sa\/cart\n/,
    );
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    const upper = openssl('x509', '-in', 'below.pem', '-noout', '-text');
    expect(upper).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
  });

  it('does not accept a leaf as an authority, or another root', async () => {
    const authority = await testAuthority();
    write('root.pem', (await testAuthority()).root.certificate);
    await issued(authority);
    expect(refused(...verify())).toContain('unable to get');
  });

  it('reads the list of revoked certificates, and refuses what stands in it', async () => {
    const authority = await testAuthority();
    write('root.pem', authority.root.certificate);
    const serial = await issued(authority);
    const lists = createRevocationLists(authority.core);
    const crl = async (): Promise<void> => {
      write('list.der', (await lists.of(undefined)).der);
      openssl('crl', '-inform', 'DER', '-in', 'list.der', '-out', 'list.pem');
    };
    await crl();
    const check = verify('-crl_check', '-CRLfile', 'list.pem');
    expect(openssl(...check)).toBe('leaf.pem: OK\n');
    await deny(authority.core, { serial, reason: '' }, 'test');
    await crl();
    expect(openssl('crl', '-in', 'list.pem', '-noout', '-text')).toContain('CRL Number');
    expect(refused(...check)).toContain('certificate revoked');
  });

  it.each([
    ['P-256', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072']],
  ])('makes intermediates on %s that sign leaves which it accepts', async (kind, genpkey) => {
    for (const name of ['root', 'ca']) openssl(...genpkey, '-out', `${name}.key`);
    const subject = (name: string): string[] => ['-subj', `/O=Example/CN=${name}`];
    openssl(
      'req',
      '-x509',
      '-key',
      'root.key',
      '-out',
      'root.pem',
      '-days',
      '30',
      ...subject('Root'),
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    );
    openssl('req', '-new', '-key', 'ca.key', '-out', 'ca.csr', ...subject('Issuing, "quoted"'));
    write(
      'ca.ext',
      'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      'ca.csr',
      '-CA',
      'root.pem',
      '-CAkey',
      'root.key',
      '-extfile',
      'ca.ext',
      '-days',
      '20',
      '-out',
      'ca.pem',
    );
    const authority = emptyAuthority();
    const generation = await install(
      authority.core,
      { root: read('root.pem'), chain: read('ca.pem'), key: read('ca.key') },
      'test',
    );
    expect(generation).toMatchObject({ kind, warnings: [] });
    const serial = await issued(authority);
    expect(openssl(...verify('-purpose', 'sslserver'))).toBe('leaf.pem: OK\n');
    const leaf = new X509Certificate(read('leaf.pem'));
    expect(leaf.subjectAltName).toBe(`URI:spiffe://${IDENTITY}`);
    await deny(authority.core, { serial, reason: '' }, 'test');
    write('list.der', (await createRevocationLists(authority.core).of(undefined)).der);
    openssl('crl', '-inform', 'DER', '-in', 'list.der', '-out', 'list.pem');
    expect(refused(...verify('-crl_check', '-CRLfile', 'list.pem'))).toContain(
      'certificate revoked',
    );
    expect((await authority.signStatement({})).split('.')).toHaveLength(3);
  });
});
