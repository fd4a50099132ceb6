/** What openssl, as client and as server, makes of the proxy's TLS. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { afterAll, expect, it } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { askOpenssl } from '../../test/fixtures/tls-client.ts';
import { TlsServer } from '../../test/fixtures/tls-server.ts';
import { trustOf } from '../../test/fixtures/trust.ts';
import { GivenSecrets } from '../secrets.ts';
import { Originator } from './originate.ts';

const pki = new Pki();
const root = pki.authority('root');
const issued = root.issue({ names: 'DNS:a.example' });
const servers: TlsServer[] = [];
afterAll(() => {
  for (const one of servers) one.close();
  pki.remove();
});

function serve(tls: Partial<TlsServer['listener']['tls']> = {}): Promise<number> {
  const own = new TlsServer({
    given: { 'edge/cert': issued },
    tls: { mode: 'SIMPLE', credentialNames: ['edge/cert'], ...tls },
  });
  servers.push(own);
  return own.listen();
}

it('serves openssl', async () => {
  const output = await askOpenssl(await serve(), '-servername', 'a.example', '-alpn', 'h2');
  expect(output).toContain('echo:hello');
  expect(output).toContain('ALPN protocol: h2');
});

it('refuses openssl versions and suites beyond its settings', async () => {
  const suite = 'ECDHE-ECDSA-AES256-GCM-SHA384';
  const port = await serve({ maxVersion: 'TLSv1.2', cipherSuites: [suite] });
  const output = await askOpenssl(port, '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256');
  expect(output).toContain('handshake failure');
  expect(await askOpenssl(await serve(), '-tls1_1')).not.toContain('echo');
  const ancient = await serve({ minVersion: 'TLSv1' });
  expect(await askOpenssl(ancient, '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0')).toContain(
    'echo:hello',
  );
});

it('verifies a server of openssl', async () => {
  const [cert, key] = [pki.path('server.pem'), pki.path('server.key')];
  writeFileSync(cert, issued.certificate);
  writeFileSync(key, issued.key);
  const args = ['s_server', '-accept', '127.0.0.1:0', '-cert', cert, '-key', key, '-www'];
  const child = spawn('openssl', [...args, '-naccept', '1']);
  const port = await new Promise<number>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /ACCEPT .*:(\d+)/.exec(chunk.toString())?.[1];
      if (found !== undefined) resolve(Number(found));
    });
  });
  const trust = trustOf(new GivenSecrets());
  const originator = new Originator({ secrets: trust, trust, log: () => undefined });
  const options = originator.optionsFor({
    cluster: {
      name: 'outbound|443||a.example',
      service: 'a.example',
      port: 443,
      discovery: 'endpoints',
      balancer: 'ROUND_ROBIN',
      tls: { mode: 'SIMPLE', authorities: [root.certificate] },
      connectTimeoutMs: 2000,
      origin: { resource: 'DestinationRule a/b', path: 'spec' },
    },
    endpoint: undefined,
    authority: 'a.example',
  });
  const socket = connect({ port, host: '127.0.0.1', ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write('GET / HTTP/1.0\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  expect(chunk.toString()).toContain('HTTP/1.0 200');
  socket.destroy();
  child.kill();
});
