import { X509Certificate } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { KnownCertificates } from './known-certificates.ts';

const pki = new Pki();
const root = pki.authority('root');
afterAll(() => pki.remove());

const der = (names: string): Buffer => new X509Certificate(root.issue({ names }).certificate).raw;

it('reads a certificate once, whoever shows it', () => {
  const known = new KnownCertificates();
  const [one, two] = [der('URI:spiffe://mesh.test/ns/a/sa/b'), der('DNS:a.example')];
  const first = known.read(one);
  expect(first).toMatchObject({ identity: 'mesh.test/ns/a/sa/b', der: one });
  expect(known.read(Buffer.from(one))).toBe(first);
  expect(known.read(two)).toMatchObject({ identity: undefined, names: { dns: ['a.example'] } });
  expect(known.size).toBe(2);
});

it('keeps nothing of what can not be read, nor of what is very large', () => {
  const known = new KnownCertificates();
  expect(known.read(Buffer.from('nonsense'))).toBeUndefined();
  const large = der(`DNS:${'x'.repeat(5000)}`);
  expect(known.read(large)?.names.dns[0]).toHaveLength(5000);
  expect(known.size).toBe(0);
});

it('lets go of the oldest', () => {
  const known = new KnownCertificates();
  const one = der('DNS:h0');
  const first = known.read(one);
  for (let i = 1; i < 1024; i++) known.read(der(`DNS:h${i}`));
  expect(known.read(one)).toBe(first);
  known.read(der('DNS:h1024'));
  expect(known.size).toBe(1024);
  expect(known.read(one)).not.toBe(first);
});
