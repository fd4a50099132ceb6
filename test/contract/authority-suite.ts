/** What the authority promises, in every runtime that it runs in. */
import { compactVerify, importJWK, importX509, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { x509 } from '../../control/identity/x509.ts';
import { ISSUED_PREFIX } from '../../control/identity/records.ts';
import { emptyAuthority, testAuthority, workloadKey } from '../fixtures/authority.ts';

const IDENTITY = 'mesh.test/ns/shop/sa/cart';
const HOUR_MS = 3_600_000;
const asked = { identity: IDENTITY, actor: 'token 1', provenBy: 'join-token' } as const;

function chainOf(pem: string): x509.X509Certificate[] {
  const blocks = pem.match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new x509.X509Certificate(block));
}

const status = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: { status?: number; message: string }) => `${error.status} ${error.message}`,
  );

export function authoritySuite(runtime: string): void {
  describe(`authority in ${runtime}`, () => {
    it('issues what X509-SVID asks for, and nothing else', async () => {
      const authority = await testAuthority();
      const { publicKey } = await workloadKey();
      const nowMs = Date.now();
      const issued = await authority.issue({ ...asked, publicKey });
      const [leaf, intermediate] = chainOf(issued.chain);
      if (leaf === undefined || intermediate === undefined) throw new Error('no chain');
      expect(leaf.subject).toBe('');
      expect(leaf.serialNumber.replace(/^0+/, '')).toBe(issued.serial);
      expect(issued.serial).toMatch(/^[4-7][0-9a-f]{31}$/);
      expect(new Uint8Array(leaf.publicKey.rawData)).toEqual(publicKey);
      const names = leaf.getExtension(x509.SubjectAlternativeNameExtension);
      expect(names?.critical).toBe(true);
      expect(names?.names.items.map(({ type, value }) => [type, value])).toEqual([
        ['url', `spiffe://${IDENTITY}`],
      ]);
      const constraints = leaf.getExtension(x509.BasicConstraintsExtension);
      expect([constraints?.ca, constraints?.critical]).toEqual([false, true]);
      const usage = leaf.getExtension(x509.KeyUsagesExtension);
      expect([usage?.usages, usage?.critical]).toEqual([x509.KeyUsageFlags.digitalSignature, true]);
      expect(leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages).toEqual([
        '1.3.6.1.5.5.7.3.1',
        '1.3.6.1.5.5.7.3.2',
      ]);
      expect(leaf.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId).toBe(
        intermediate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId,
      );
      expect(leaf.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId).toHaveLength(40);
      expect(leaf.notBefore.getTime()).toBe(issued.notBeforeMs);
      expect(leaf.notAfter.getTime()).toBe(issued.notAfterMs);
      expect(issued.notAfterMs - nowMs).toBeGreaterThan(24 * HOUR_MS - 2000);
      expect(issued.notAfterMs - nowMs).toBeLessThan(24 * HOUR_MS + 2000);
      expect(await leaf.verify({ publicKey: intermediate.publicKey, signatureOnly: true })).toBe(
        true,
      );
      const root = new x509.X509Certificate(authority.root.certificate);
      expect(await intermediate.verify({ publicKey: root.publicKey, signatureOnly: true })).toBe(
        true,
      );
      expect(intermediate.getExtension(x509.BasicConstraintsExtension)?.pathLength).toBe(0);
    });

    it('writes each certificate down', async () => {
      const authority = await testAuthority();
      const { publicKey } = await workloadKey();
      const issued = await authority.issue({ ...asked, publicKey, ttlMs: HOUR_MS });
      const { records } = await authority.store.list(ISSUED_PREFIX);
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', publicKey));
      expect(records.map(({ value }) => JSON.parse(value) as unknown)).toEqual([
        {
          serial: issued.serial,
          identity: IDENTITY,
          notBeforeMs: issued.notBeforeMs,
          notAfterMs: issued.notAfterMs,
          actor: 'token 1',
          provenBy: 'join-token',
          keyHash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
          generation: 1,
        },
      ]);
    });

    it('issues nothing when what it is paid with is gone', async () => {
      const authority = await testAuthority();
      const { publicKey } = await workloadKey();
      const { store } = authority;
      await store.commit([{ op: 'put', key: '!join/1', value: 'unused' }], {
        actor: 'test',
        message: '',
        atMs: 0,
      });
      const revision = (await store.get('!join/1'))?.revision ?? 0;
      const pay = { op: 'delete', key: '!join/1', ifRevision: revision } as const;
      const both = await Promise.all(
        [1, 2].map(() => status(authority.issue({ ...asked, publicKey }, [pay]))),
      );
      expect(both.filter((one) => one === 'done')).toHaveLength(1);
      expect(both.join()).toContain('409');
      expect((await store.list(ISSUED_PREFIX)).records).toHaveLength(1);
    });

    it.each([
      ['another domain', { identity: 'other.test/ns/a/sa/b' }, '422'],
      ['no path', { identity: 'mesh.test' }, '422'],
      ['a path that climbs', { identity: 'mesh.test/ns/../sa/b' }, '422'],
      ['two names in one', { identity: 'mesh.test/a,URI:spiffe://mesh.test/b' }, '422'],
      ['more than 90 days', { ttlMs: 91 * 24 * HOUR_MS }, '422'],
      ['no time', { ttlMs: 0 }, '422'],
      ['a lifetime that is no number', { ttlMs: Number.NaN }, '422'],
      ['no key', { publicKey: new Uint8Array(0) }, '422'],
      ['no key, but as long as one', { publicKey: new Uint8Array(91) }, '422'],
    ])('refuses %s', async (_what, fields, wanted) => {
      const authority = await testAuthority();
      const { publicKey } = await workloadKey();
      expect(await status(authority.issue({ ...asked, publicKey, ...fields }))).toContain(wanted);
      expect((await authority.store.list(ISSUED_PREFIX)).records).toHaveLength(0);
    });

    it('refuses a key on another curve', async () => {
      const authority = await testAuthority();
      const { publicKey } = await workloadKey('P-384');
      expect(await status(authority.issue({ ...asked, publicKey }))).toContain('P-256');
    });

    it('never outlives its own certificate', async () => {
      let nowMs = Date.now();
      const authority = await testAuthority({ nowMs: () => nowMs });
      const { publicKey } = await workloadKey();
      const endMs = nowMs + 365 * 24 * HOUR_MS;
      nowMs = endMs - HOUR_MS;
      const issued = await authority.issue({ ...asked, publicKey });
      expect(endMs - issued.notAfterMs).toBeGreaterThanOrEqual(0);
      expect(endMs - issued.notAfterMs).toBeLessThan(2000);
      nowMs = endMs + 1000;
      expect(await status(authority.issue({ ...asked, publicKey }))).toContain('503');
    });

    it('says what is missing', async () => {
      const { publicKey } = await workloadKey();
      expect(await status(emptyAuthority().issue({ ...asked, publicKey }))).toContain('ca init');
      const without = await testAuthority();
      const again = emptyAuthority({ store: without.store, secret: undefined });
      expect(await status(again.issue({ ...asked, publicKey }))).toContain('LATEEN_CA_SECRET');
      const other = emptyAuthority({ store: without.store, secret: 'x'.repeat(40) });
      expect(await status(other.issue({ ...asked, publicKey }))).toContain('ca rewrap');
      const short = emptyAuthority({ store: without.store, secret: 'x' });
      expect(await status(short.issue({ ...asked, publicKey }))).toContain('at least 32');
    });

    it('signs statements that the chain proves', async () => {
      const authority = await testAuthority();
      const { protectedHeader, payload } = await compactVerify(
        await authority.signStatement({ nonce: 'x' }),
        async ({ x5c }) => importX509(pemOfBase64(x5c?.[0] ?? ''), 'ES256'),
      );
      expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({ nonce: 'x' });
      expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'lateen-statement+jws' });
      expect(protectedHeader.x5c).toHaveLength(1);
    });

    it('issues tokens for the holder of a key', async () => {
      const authority = await testAuthority();
      const { keys } = await workloadKey();
      const key = { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)), kid: 'dropped' };
      const issued = await authority.issueToken({ identity: IDENTITY, key, actor: 'test' });
      const [published] = (await authority.trust())?.tokenKeys['mesh.test'] ?? [];
      const { payload, protectedHeader } = await jwtVerify(
        issued.token,
        await importJWK({ ...published }, 'ES256'),
      );
      expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'wit+jwt', kid: published?.['kid'] });
      expect(payload).toMatchObject({
        sub: `spiffe://${IDENTITY}`,
        exp: issued.expiresMs / 1000,
        cnf: { jwk: { kty: 'EC', crv: 'P-256', x: key.x, y: key.y, alg: 'ES256' } },
      });
      expect(payload).not.toHaveProperty('aud');
      expect(Object.keys((payload['cnf'] as { jwk: object }).jwk).sort()).toEqual([
        'alg',
        'crv',
        'kty',
        'x',
        'y',
      ]);
      const privateKey = { ...(await crypto.subtle.exportKey('jwk', keys.privateKey)) };
      for (const bad of [privateKey, { ...key, x: 'AAAA' }, { kty: 'RSA' }, { ...key, y: key.x }])
        expect(
          await status(authority.issueToken({ identity: IDENTITY, key: bad, actor: 'test' })),
        ).toContain('422');
    });

    it('keeps its keys unreadable without the secret', async () => {
      const authority = await testAuthority();
      const { records } = await authority.store.list('!ca/');
      const all = records.map(({ value }) => value).join('\n');
      expect(all).not.toContain('PRIVATE KEY');
      // The version and algorithm that every PKCS#8 of a key on P-256 begins with.
      expect(all).not.toContain('MIGHAgEAMBMGByqGSM49');
      const { generations } = await authority.core.views.current();
      const first = generations.get(1);
      if (first === undefined) throw new Error('no generation');
      const moved = { ...first, generation: 2 };
      expect(await status(authority.core.signers.of(moved))).toContain('damaged');
      const signer = await authority.core.signers.of(first);
      expect(signer.key.extractable).toBe(false);
      await expect(crypto.subtle.exportKey('pkcs8', signer.key)).rejects.toThrow(/extract/i);
    });
  });
}

const pemOfBase64 = (der: string): string =>
  `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----`;
