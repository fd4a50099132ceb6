/** A proxy and the authority, over HTTP: joining and renewing as they should be. */
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IDENTITY, joiningOf, startJoinServer } from '../../test/fixtures/joining.ts';
import type { JoinServer } from '../../test/fixtures/joining.ts';
import { AuthorityClient } from './authority-client.ts';
import { keyPem } from './certificate.ts';

let server: JoinServer;
beforeEach(async () => {
  server = await startJoinServer();
});
afterEach(() => server.close());

const client = (): AuthorityClient =>
  new AuthorityClient({ url: server.url, nowMs: () => Date.now() + server.clock.offsetMs });

describe('joining', () => {
  it('gives the identity of the token for a key that was made here', async () => {
    const given = await client().join(joiningOf(await server.token()));
    expect(given.identity).toBe(IDENTITY);
    const leaf = new X509Certificate(given.chain);
    expect(leaf.subjectAltName).toBe(`URI:spiffe://${IDENTITY}`);
    expect(leaf.checkPrivateKey(given.privateKey)).toBe(true);
    expect(given.roots).toHaveLength(1);
    expect(server.joining.counts.issued['join-token']).toBe(1);
  });

  it('shows nobody the token or the key', async () => {
    const token = await server.token();
    const given = await client().join(joiningOf(token));
    const seen = [...server.received, ...server.log].join('\n');
    expect(seen).not.toContain(token);
    expect(seen).not.toContain(token.split('_')[2]);
    expect(seen).not.toContain(keyPem(given).split('\n')[1]);
    const stored = JSON.stringify(await server.authority.store.list('!'));
    expect(stored).not.toContain(token.split('_')[2]);
  });
});

describe('renewal', () => {
  it('keeps the identity and takes a new key', async () => {
    const first = await client().join(joiningOf(await server.token()));
    const second = await client().renew(first, first.roots);
    expect(second.identity).toBe(IDENTITY);
    expect(keyPem(second)).not.toBe(keyPem(first));
    expect(server.joining.counts.issued.renewal).toBe(1);
    expect((await client().renew(second, second.roots)).identity).toBe(IDENTITY);
  });
});
