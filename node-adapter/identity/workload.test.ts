/** The identity of a proxy over time: it is kept, renewed, and missed loudly. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DENIED_IDENTITY_PREFIX } from '../../control/identity/records.ts';
import { makeRoot } from '../../control/identity/offline.ts';
import { DOMAIN } from '../../test/fixtures/authority.ts';
import { IDENTITY, joiningOf, startJoinServer } from '../../test/fixtures/joining.ts';
import type { JoinServer } from '../../test/fixtures/joining.ts';
import { waitFor } from '../../test/fixtures/node-process.ts';
import type { WorkloadIdentity, WorkloadIdentityOptions } from './workload.ts';
import { createWorkloadIdentity } from './workload.ts';

let server: JoinServer;
let log: { readonly level: string; readonly message: string; readonly cause?: string }[];
const made: WorkloadIdentity[] = [];
afterEach(async () => {
  for (const one of made.splice(0)) one.stop();
  await server.close();
});

async function begin(ttlMs: number): Promise<void> {
  server = await startJoinServer({ ttlMs });
  log = [];
}

function identity(options: Partial<WorkloadIdentityOptions> = {}): WorkloadIdentity {
  const one = createWorkloadIdentity({
    url: server.url,
    file: join(server.folder, 'identity.json'),
    log: (line) => log.push(JSON.parse(line) as (typeof log)[number]),
    ...options,
  });
  made.push(one);
  return one;
}

async function joined(options: Partial<WorkloadIdentityOptions> = {}): Promise<WorkloadIdentity> {
  const token = await server.token();
  const one = identity({ joining: () => joiningOf(token), ...options });
  await one.start();
  return one;
}

const serialOf = (one: WorkloadIdentity): string =>
  new X509Certificate(one.material?.certificate ?? '').serialNumber;

const trusting = (...roots: readonly string[]): Parameters<WorkloadIdentity['trust']>[0] => ({
  roots: { [DOMAIN]: roots, 'other.test': [] },
  tokenKeys: {},
  denied: { serials: [], identities: [] },
});

describe('with certificates of an hour', () => {
  beforeEach(() => begin(3_600_000));

  it('has the secret that proxies show', async () => {
    const one = await joined();
    const { certificate = '', key, authorities = '' } = one.material ?? {};
    const leaf = new X509Certificate(certificate);
    expect(leaf.subjectAltName).toBe(`URI:spiffe://${IDENTITY}`);
    expect(key).toContain('PRIVATE KEY');
    expect(new X509Certificate(authorities).ca).toBe(true);
    expect(one.lacks).toBeUndefined();
    const { notAfterMs = 0, renewAtMs = 0 } = one.state ?? {};
    const share = (renewAtMs - Date.now()) / (notAfterMs - Date.now());
    expect(share).toBeGreaterThan(0.48);
    expect(share).toBeLessThan(0.52);
    expect(one.stats()).toMatch(
      /lateen_certificate_expiry_seconds\{identity="spiffe:[^"]+"\} 35\d\d/,
    );
  });

  it('keeps it in a file that only its owner reads, and goes on with it', async () => {
    const first = await joined();
    first.stop();
    const file = join(server.folder, 'identity.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(server.folder)).toEqual(['identity.json']);
    const again = identity();
    await again.start();
    expect(again.material).toEqual(first.material);
    expect(server.joining.counts.issued['join-token']).toBe(1);
  });

  it('does not use a token again that it was started with', async () => {
    const token = await server.token();
    const joining = (): ReturnType<typeof joiningOf> => joiningOf(token);
    await identity({ joining }).start();
    await identity({ joining }).start();
    expect(server.joining.counts.refused).toEqual({});
  });

  it('joins anew for another identity than the one that was kept', async () => {
    await joined();
    const other = `${DOMAIN}/ns/shop/sa/other`;
    const token = await server.token({ identity: other });
    const one = identity({ joining: () => joiningOf(token) });
    await one.start();
    expect(one.state?.identity).toBe(`spiffe://${other}`);
  });

  it.each([
    ['cut', (text: string) => text.slice(0, 100)],
    [
      'of another certificate',
      (text: string) => text.replace(/"identity":"[^"]+"/, '"identity":"a.test/b"'),
    ],
    ['empty', () => ''],
    ['no object', () => 'null'],
  ])('joins anew when the file is %s, and says so', async (_, spoil) => {
    const first = await joined();
    first.stop();
    const file = join(server.folder, 'identity.json');
    writeFileSync(file, spoil(readFileSync(file, 'utf8')));
    const second = await joined();
    expect(serialOf(second)).not.toBe(serialOf(first));
    expect(log.map(({ message }) => message)).toContain(
      'the certificate that was kept is not used',
    );
    expect(JSON.stringify(log)).not.toContain('PRIVATE');
  });

  it('waits for a control plane that is away, and gives up on one that says no', async () => {
    const token = await server.token();
    const one = identity({ url: 'http://127.0.0.1:1', joining: () => joiningOf(token) });
    const started = one.start();
    await waitFor('tries', () => log.length > 1);
    expect(log[0]).toMatchObject({
      level: 'warning',
      message: 'the proxy could not join the mesh yet',
    });
    one.stop();
    await started;
    expect(one.material).toBeUndefined();
    await server.joining.tokens.revoke(token.split('_')[1] ?? '', 'test');
    const second = identity({ joining: () => joiningOf(token) });
    await expect(second.start()).rejects.toThrow(/answers 403/);
  });

  it('says what is missing when there is nothing to join by', async () => {
    await expect(identity().start()).rejects.toThrow(/lateen join-token create/);
  });

  it('believes the roots of the configuration in force, of its own domain alone', async () => {
    const one = await joined();
    const own = one.material?.authorities ?? '';
    const other = (await makeRoot(DOMAIN, Date.now())).certificate;
    let told = 0;
    one.onChange(() => told++);
    one.trust(undefined);
    one.trust(trusting(own));
    const before = told;
    one.trust(trusting(own, other));
    expect(one.material?.authorities).toContain(other.trim());
    expect(one.material?.authorities).toContain(own.trim());
    expect(told).toBe(before + 1);
    one.trust(trusting(own, other));
    expect(told).toBe(before + 1);
    one.trust({
      roots: { 'other.test': [other] },
      tokenKeys: {},
      denied: { serials: [], identities: [] },
    });
    expect(one.material?.authorities).toContain(own.trim());
  });

  it('renews often while two roots are believed, and at once when its own goes', async () => {
    const one = await joined({ random: () => 0.5 });
    const own = one.material?.authorities ?? '';
    const other = (await makeRoot(DOMAIN, Date.now())).certificate;
    one.trust(trusting(own, other));
    const { renewAtMs = 0 } = one.state ?? {};
    expect(renewAtMs - Date.now()).toBeLessThan(3_600_000 / 10);
    expect(renewAtMs - Date.now()).toBeGreaterThan(3_600_000 / 40);
    one.trust(trusting(other));
    expect((one.state?.renewAtMs ?? 0) - Date.now()).toBeLessThanOrEqual(30_000);
  });
});

describe('with certificates of two seconds', () => {
  beforeEach(() => begin(2000));

  it('renews at half of their life, again and again', async () => {
    const one = await joined();
    const seen = new Set([serialOf(one)]);
    one.onChange(() => seen.add(serialOf(one)));
    await waitFor('renewals', () => seen.size > 3);
    expect(one.lacks).toBeUndefined();
    expect(one.state?.failures).toBe(0);
    expect(one.stats()).toMatch(/lateen_certificate_renewals_total\{[^}]+\} [3-9]/);
    expect(log.every(({ level }) => level === 'info')).toBe(true);
  });

  it('tries on when the control plane is away, louder as the end comes, and recovers', async () => {
    const one = await joined();
    server.isAway = true;
    await waitFor('the first failure', () => log.some(({ level }) => level === 'warning'));
    await waitFor('the last failures', () => log.some(({ level }) => level === 'error'));
    await waitFor('the end', () => one.lacks !== undefined);
    expect(one.lacks).toBe('the certificate of the mesh has expired');
    expect(one.stats()).toMatch(/expiry_seconds\{[^}]+\} -/);
    expect(one.state?.failures).toBeGreaterThan(1);
    expect(one.state?.lastFailure).toMatch(/nothing to join by|was used|answers 503/);
  });

  it('joins again by a token that is put in the place of the one before', async () => {
    let token = await server.token();
    const one = identity({ joining: () => joiningOf(token) });
    await one.start();
    const record = { name: IDENTITY, reason: 'test', actor: 'test', atMs: 0 };
    const { store } = server.authority;
    const key = DENIED_IDENTITY_PREFIX + IDENTITY;
    const by = { actor: 'test', message: '', atMs: 0 };
    await store.commit([{ op: 'put', key, value: JSON.stringify(record) }], by);
    await waitFor('the refusal', () => log.some(({ level }) => level === 'error'));
    expect(log.find(({ level }) => level === 'error')?.cause).toMatch(/must join again/);
    const before = serialOf(one);
    await store.commit([{ op: 'delete', key }], by);
    await waitFor('the end', () => one.lacks !== undefined || serialOf(one) !== before);
    token = await server.token();
    await waitFor('a certificate', () => one.lacks === undefined && serialOf(one) !== before);
  });

  it('does not renew any more when it was stopped', async () => {
    const one = await joined();
    one.stop();
    const { receivedAt } = { receivedAt: serialOf(one) };
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    expect(serialOf(one)).toBe(receivedAt);
  });
});
