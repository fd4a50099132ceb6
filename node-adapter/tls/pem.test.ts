import { connect } from 'node:tls';
import { afterAll, expect, it } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { TlsServer } from '../../test/fixtures/tls-server.ts';
import { certificatesIn, withIssuers } from './pem.ts';

const pki = new Pki();
const other = pki.authority('other').certificate;
const impostor = pki.authority('root').certificate;
const root = pki.authority('root');
const own = root.issue({ names: 'DNS:a.example' });
afterAll(() => pki.remove());

it('puts those behind a certificate that have signed it', () => {
  const bundle = `${other}\n${impostor}`;
  const chain = certificatesIn(withIssuers(own.certificate, [bundle, root.certificate]));
  expect(chain).toEqual([own.certificate, root.certificate].flatMap((pem) => certificatesIn(pem)));
});

it('leaves alone what has a chain, what nobody known has signed, and what can not be read', () => {
  const chain = `${own.certificate}\n${other}`;
  expect(withIssuers(chain, [root.certificate])).toBe(chain);
  expect(withIssuers('nothing', [root.certificate])).toBe('nothing');
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
  for (const [certificate, ...authorities] of [
    [own.certificate, impostor, broken],
    [root.certificate, root.certificate],
    [broken, root.certificate],
  ] as [string, ...string[]][])
    expect(certificatesIn(withIssuers(certificate, authorities))).toEqual(
      certificatesIn(certificate),
    );
});

it('shows clients the same chain as before: up to the authority that it takes them by', async () => {
  const server = new TlsServer({
    tls: { mode: 'OPTIONAL_MUTUAL', credentialNames: ['a/b'] },
    given: { 'a/b': { ...own, authorities: root.certificate } },
  });
  const port = await server.listen();
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const shown = socket.getPeerX509Certificate();
  expect(shown?.issuerCertificate?.toString().trim()).toBe(root.certificate.trim());
  socket.destroy();
  server.close();
});
