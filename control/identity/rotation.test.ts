/** Rotation, denial, upkeep and secrets over time. */
import { describe, expect, it } from 'vitest';
import {
  DOMAIN,
  emptyAuthority,
  setUp,
  testAuthority,
  workloadKey,
} from '../../test/fixtures/authority.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { LocalAuthority } from './create-authority.ts';
import { deny, undeny } from './deny.ts';
import { createDue } from './due.ts';
import type { Federations } from './federation.ts';
import { createFederations } from './federation.ts';
import { bundleDocument } from './bundle.ts';
import { makeRoot, signRequest } from './offline.ts';
import { ISSUED_PREFIX } from './records.ts';
import { rewrap, secretsInUse } from './rewrap.ts';
import { advanceRotation, cancelRotation, rotationStatus, startRotation } from './rotation.ts';
import type { Followers } from './rotation.ts';
import { requestIntermediate } from './setup.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const IDENTITY = `${DOMAIN}/ns/shop/sa/cart`;
const OTHER = `${DOMAIN}/ns/shop/sa/other`;
const everybody: Followers = { knownFromMs: 0, without: async () => [] };

const status = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: { status?: number; message: string }) => `${error.status} ${error.message}`,
  );

async function issue(
  authority: LocalAuthority,
  identity = IDENTITY,
  by: { readonly actor: string; readonly provenBy: 'join-token' | 'renewal' } = {
    actor: 'token',
    provenBy: 'join-token',
  },
) {
  const { publicKey } = await workloadKey();
  return authority.issue({ identity, publicKey, ...by });
}

async function newMaterial({ core }: LocalAuthority) {
  const root = await makeRoot(DOMAIN, core.nowMs());
  const chain = await signRequest(await requestIntermediate(core, 'test'), root, core.nowMs());
  return { root: root.certificate, chain };
}

const advance = (force = false) => ({ actor: 'test', force, forced: async () => undefined });

describe('root rotation', () => {
  it('drops the old root when nothing under it is in use', async () => {
    let nowMs = Date.now();
    const authority = await testAuthority({ nowMs: () => nowMs });
    const { core } = authority;
    const renewed = await issue(authority);
    const denied = await issue(authority);
    const left = await issue(authority, OTHER);
    await startRotation(core, await newMaterial(authority), 'test');
    expect((await authority.trust())?.roots[DOMAIN]).toHaveLength(2);
    await advanceRotation(core, everybody, advance());
    const fresh = await issue(authority, IDENTITY, { actor: renewed.serial, provenBy: 'renewal' });
    expect(fresh.chain).not.toContain(renewed.chain.split('-----END')[1]);
    await deny(core, { serial: denied.serial, reason: '' }, 'test');
    const waits = (await rotationStatus(core, everybody))?.waitsFor;
    expect(waits).toEqual([
      expect.stringContaining(`${OTHER} has certificate ${left.serial} under the old root`),
    ]);
    expect(await status(advanceRotation(core, everybody, advance()))).toContain(left.serial);
    nowMs += DAY_MS + 1000;
    await advanceRotation(core, everybody, advance());
    expect((await authority.trust())?.roots[DOMAIN]).toHaveLength(1);
    expect((await core.views.current()).generations.size).toBe(1);
    expect(await rotationStatus(core, everybody)).toMatchObject({ stage: 'steady', waitsFor: [] });
  });

  it('counts what a renewed intermediate of the old root signed as old', async () => {
    const authority = await testAuthority();
    const { core } = authority;
    const first = await issue(authority);
    await setUp(authority, authority.root);
    const second = await issue(authority, OTHER);
    await startRotation(core, await newMaterial(authority), 'test');
    await advanceRotation(core, everybody, advance());
    const text = (await rotationStatus(core, everybody))?.waitsFor.join('\n');
    expect(text).toContain(first.serial);
    expect(text).toContain(second.serial);
  });

  it('keeps the order of its stages', async () => {
    const authority = await testAuthority();
    const { core } = authority;
    expect(await status(advanceRotation(core, everybody, advance()))).toContain(
      '409 no rotation runs',
    );
    expect(await status(cancelRotation(core, 'test'))).toContain('409');
    const same = await signRequest(
      await requestIntermediate(core, 'test'),
      authority.root,
      Date.now(),
    );
    expect(
      await status(startRotation(core, { root: authority.root.certificate, chain: same }, 'test')),
    ).toContain('409 the root is the one that is');
    await startRotation(core, await newMaterial(authority), 'test');
    expect(await status(startRotation(core, await newMaterial(authority), 'test'))).toContain(
      '409',
    );
    await cancelRotation(core, 'test');
    expect((await authority.trust())?.roots[DOMAIN]).toEqual([authority.root.certificate]);
    await startRotation(core, await newMaterial(authority), 'test');
    await advanceRotation(core, everybody, advance());
    expect(await status(cancelRotation(core, 'test'))).toContain('409');
  });

  it('says whom force cut off', async () => {
    const authority = await testAuthority();
    const behind: Followers = { knownFromMs: 0, without: async () => ['gateway/a/b (instance c)'] };
    await startRotation(authority.core, await newMaterial(authority), 'test');
    const told: (readonly string[])[] = [];
    await advanceRotation(authority.core, behind, {
      actor: 'test',
      force: true,
      forced: async (waited) => void told.push(waited),
    });
    expect(told.flat()).toEqual([expect.stringContaining('gateway/a/b (instance c)')]);
  });

  it('needs an authority', async () => {
    const { core } = emptyAuthority();
    expect(await rotationStatus(core, everybody)).toBeUndefined();
    expect(await status(advanceRotation(core, everybody, advance()))).toContain('503');
  });
});

describe('denial', () => {
  it('ends with what it denies, and keeps identities from being issued', async () => {
    let nowMs = Date.now();
    const authority = await testAuthority({ nowMs: () => nowMs });
    const { core } = authority;
    const { serial } = await issue(authority);
    const one = { serial, identity: IDENTITY };
    expect(await authority.isDenied(one)).toBe(false);
    await deny(core, { serial: `0x${serial.toUpperCase()}`, reason: 'stolen' }, 'test');
    await deny(core, { serial: 'ffff', reason: 'of another domain' }, 'test');
    expect(await authority.isDenied(one)).toBe(true);
    expect((await authority.trust())?.denied.serials).toEqual([serial, 'ffff'].sort());
    const due = createDue(core, noFederations);
    nowMs += DAY_MS + 1000;
    await due();
    expect((await authority.trust())?.denied.serials).toEqual(['ffff']);
    expect(await status(deny(core, { serial, reason: '' }, 'test'))).toContain('it ended at');
    await deny(core, { identity: IDENTITY, reason: '' }, 'test');
    expect(await status(issue(authority))).toContain('403');
    const { keys } = await workloadKey();
    const key = { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)) };
    expect(await status(authority.issueToken({ identity: IDENTITY, key, actor: 'x' }))).toContain(
      '403',
    );
    expect(await authority.isDenied({ serial: '1', identity: IDENTITY })).toBe(true);
    await undeny(core, { identity: IDENTITY }, 'test');
    expect(await status(issue(authority))).toBe('done');
  });

  it('has an end, so that snapshots have one', async () => {
    const authority = await testAuthority();
    const puts = Array.from({ length: 1000 }, (_, index) => ({
      op: 'put' as const,
      key: `!ca/denied/identity/${DOMAIN}/${index}`,
      value: JSON.stringify({ name: `${DOMAIN}/${index}` }),
    }));
    await authority.store.commit(puts, { actor: '', message: '', atMs: 0 });
    expect(
      await status(deny(authority.core, { identity: IDENTITY, reason: '' }, 'test')),
    ).toContain('has 1000 entries');
  });
});

describe('upkeep', () => {
  it("has nothing compiled anew for what proxies needn't know", async () => {
    const authority = await testAuthority();
    const before = await authority.trust();
    await issue(authority);
    await requestIntermediate(authority.core, 'test');
    await setUp(authority, authority.root);
    expect(await authority.trust()).toBe(before);
    await deny(authority.core, { serial: 'ab', reason: '' }, 'test');
    expect(await authority.trust()).not.toBe(before);
  });

  it('lets the log forget what ended long ago', async () => {
    let nowMs = Date.now();
    const authority = await testAuthority({ nowMs: () => nowMs });
    for (let i = 0; i < 4; i++) await issue(authority);
    nowMs += 2 * DAY_MS;
    await issue(authority);
    expect((await authority.store.list(ISSUED_PREFIX)).records).toHaveLength(5);
    nowMs += 7 * DAY_MS;
    await issue(authority);
    await issue(authority);
    expect((await authority.store.list(ISSUED_PREFIX)).records).toHaveLength(3);
  });

  it('makes a new key for tokens ahead of its time, and lets the old one go after its tokens', async () => {
    let nowMs = Date.now();
    const authority = await testAuthority({ nowMs: () => nowMs });
    const due = createDue(authority.core, noFederations);
    const kids = async () =>
      ((await authority.trust())?.tokenKeys[DOMAIN] ?? []).map(({ kid }) => kid);
    const signsWith = async (): Promise<unknown> => {
      const { keys } = await workloadKey();
      const key = { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)) };
      const { token } = await authority.issueToken({ identity: IDENTITY, key, actor: 'x' });
      return (JSON.parse(atob(token.split('.')[0] ?? '')) as { kid: string }).kid;
    };
    const [first] = await kids();
    expect(await signsWith()).toBe(first);
    nowMs += 30 * DAY_MS - HOUR_MS / 2;
    await due();
    expect(await kids()).toHaveLength(2);
    expect(await signsWith()).toBe(first);
    nowMs += HOUR_MS;
    await due();
    expect(await kids()).toHaveLength(2);
    expect(await signsWith()).not.toBe(first);
    nowMs += DAY_MS + HOUR_MS;
    await due();
    expect(await kids()).toHaveLength(1);
    expect(await kids()).not.toContain(first);
  });

  it('says loudly when its certificate ends soon, and drops signers that nobody needs', async () => {
    let nowMs = Date.now();
    const lines: string[] = [];
    const authority = await testAuthority({
      nowMs: () => nowMs,
      log: (line) => void lines.push(line),
    });
    await setUp(authority, authority.root);
    const due = createDue(authority.core, noFederations);
    await due();
    expect(lines).toEqual([]);
    expect((await authority.core.views.current()).generations.size).toBe(2);
    nowMs += 300 * DAY_MS;
    await due();
    expect((await authority.core.views.current()).generations.size).toBe(1);
    expect(lines).toEqual([expect.stringContaining('SignerValid: it ends at')]);
    nowMs += 60_000;
    await due();
    expect(lines).toHaveLength(1);
  });

  it('asks other domains again as they say, and keeps what it has when they are away', async () => {
    let nowMs = Date.now();
    const other = await testAuthority();
    let served: unknown;
    const serve = async (sequence: number) => {
      const trust = await other.trust();
      served = await bundleDocument({
        roots: trust?.roots[DOMAIN] ?? [],
        tokenKeys: [],
        sequence,
        refreshHintMs: HOUR_MS,
      });
    };
    await serve(5);
    let asked = 0;
    const authority = await testAuthority({ nowMs: () => nowMs });
    const federations = createFederations({
      core: authority.core,
      allowPrivate: false,
      fetch: async () => {
        asked++;
        if (served === undefined) throw new Error('away');
        return Response.json(served);
      },
    });
    const due = createDue(authority.core, federations);
    await federations.add({ trustDomain: 'b.test', url: 'https://b.test/bundle' }, 'test');
    const roots = async () => (await authority.trust())?.roots['b.test']?.length;
    expect(await roots()).toBe(1);
    nowMs += HOUR_MS / 2;
    await due();
    expect(asked).toBe(1);
    nowMs += HOUR_MS;
    await startRotation(other.core, await newMaterial(other), 'test');
    await serve(6);
    await due();
    expect([asked, await roots()]).toEqual([2, 2]);
    served = undefined;
    nowMs += HOUR_MS;
    await due();
    expect(await roots()).toBe(2);
    expect((await federations.list())[0]).toMatchObject({ fault: expect.stringContaining('away') });
    await serve(4);
    nowMs += HOUR_MS;
    await due();
    expect((await federations.list())[0]).toMatchObject({
      fault: 'its sequence went back from 6 to 4',
    });
    await serve(7);
    nowMs += HOUR_MS;
    await due();
    expect((await federations.list())[0]).not.toHaveProperty('fault');
  });
});

describe('secrets', () => {
  it('are exchanged without a pause', async () => {
    const store = createMemoryStore();
    const first = await testAuthority({ store, secret: 'the first of two secrets, long enough' });
    const laterMs = Date.now() + 60_000;
    const since = async (): Promise<number | undefined> =>
      (await first.core.views.current()).state?.secretSinceMs;
    expect(await since()).toBeLessThan(laterMs);
    await requestIntermediate(first.core, 'test');
    const secret = 'the second of two secrets, as long';
    const both = emptyAuthority({
      store,
      secret,
      secretBefore: 'the first of two secrets, long enough',
      nowMs: () => laterMs,
    });
    expect(await status(issue(both))).toBe('done');
    expect(await rewrap(both.core, 'test')).toBe(3);
    expect(await since()).toBe(laterMs);
    expect(secretsInUse(await both.core.views.current())).toEqual([
      (await both.core.wrapping()).kekId,
    ]);
    expect(await rewrap(both.core, 'test')).toBe(0);
    const second = emptyAuthority({ store, secret });
    expect(await status(issue(second))).toBe('done');
    expect(await status(issue(emptyAuthority({ store, secret: 'x'.repeat(32) })))).toContain('503');
    expect(
      await status(rewrap(emptyAuthority({ store, secret: 'x'.repeat(32) }).core, '')),
    ).toContain('503');
  });
});

const noFederations: Federations = {
  add: async () => undefined,
  remove: async () => undefined,
  list: async () => [],
  refresh: async () => undefined,
};
