import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, expect, it, vi } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { TlsServer } from '../../test/fixtures/tls-server.ts';
import { readSecured } from '../sockets/reading.ts';
import type { ReadMode } from '../sockets/reading.ts';

const pki = new Pki();
const root = pki.authority('root');
const cert = root.issue({ names: 'DNS:a.example' });
afterAll(() => pki.remove());

it.each<ReadMode>(['onread', 'data'])('reads what came with the handshake, by %s', async (mode) => {
  const server = new TlsServer({
    tls: { mode: 'SIMPLE', credentialNames: ['a/b'] },
    given: { 'a/b': cert },
  });
  const port = await server.listen();
  let heard = '';
  server.serve = ({ socket }) => {
    // Long enough for the first bytes to be read by nobody.
    setTimeout(
      () =>
        readSecured(
          socket,
          { onBytes: (bytes, length) => (heard += bytes.toString('latin1', 0, length)) },
          mode,
        ),
      50,
    );
  };
  const client = connect({
    port,
    host: '127.0.0.1',
    ca: root.certificate,
    servername: 'a.example',
  });
  await once(client, 'secureConnect');
  client.write('first ');
  await new Promise((resolve) => setTimeout(resolve, 100));
  client.write('second');
  await vi.waitFor(() => expect(heard).toBe('first second'));
  client.destroy();
  server.close();
});
