/** `lateen ca` against a control plane, as a person runs it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ADMIN, startTestControl } from '../../test/fixtures/control.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { main } from '../main.ts';
import { keepAuthority } from './embedded.ts';
import { authoritySecrets } from './secret.ts';

let control: TestControl;
let folder: string;
let nowMs: number;
beforeEach(async () => {
  nowMs = Date.now();
  control = await startTestControl({ nowMs: () => nowMs });
  folder = mkdtempSync(join(tmpdir(), 'lateen-ca-'));
  vi.stubEnv('LATEEN_SERVER', control.url);
  vi.stubEnv('LATEEN_TOKEN', ADMIN);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await control.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** In this process: files are named by their whole paths. */
async function ca(...words: readonly string[]): Promise<Said> {
  const said = { out: '', err: '' };
  const listen = (stream: NodeJS.WriteStream, to: 'out' | 'err') =>
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      said[to] += String(text);
      return true;
    });
  const spies = [listen(process.stdout, 'out'), listen(process.stderr, 'err')];
  try {
    await main(['node', 'lateen', 'ca', ...words]);
    return { code: Number(process.exitCode ?? 0), ...said };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

const at = (name: string): string => join(folder, name);

describe('lateen ca', () => {
  it('sets up, shows, denies and rotates', async () => {
    const before = await ca('status');
    expect([before.code, before.out]).toEqual([1, expect.stringContaining('signer        none')]);
    const init = await ca('init', '--root-cert', at('root.pem'), '--root-key', at('root.key'));
    expect(init).toMatchObject({ code: 0, out: '' });
    expect(statSync(at('root.key')).mode & 0o777).toBe(0o600);
    expect((await ca('init')).err).toContain('lateen ca rotate start');
    expect(await ca('status')).toMatchObject({
      code: 0,
      out: expect.stringContaining('generation 1'),
    });
    expect(
      await ca('renew', '--root-cert', at('root.pem'), '--root-key', at('root.key')),
    ).toMatchObject({
      code: 0,
    });
    expect((await ca('status')).out).toContain('generation 2');
    expect((await ca('deny', '--serial', 'AB:CD', '--reason', 'lost')).code).toBe(0);
    expect((await ca('denied')).out).toMatch(/serial +abcd .*lost/);
    expect((await ca('undeny', '--serial', 'abcd')).code).toBe(0);
    expect((await ca('deny')).code).toBe(2);
    expect(await ca('issued')).toMatchObject({ code: 0, out: expect.stringContaining('SERIAL') });
    nowMs += 100_000;
    const taken = await ca(
      'rotate',
      'start',
      '--root-cert',
      at('root.pem'),
      '--root-key',
      at('new.key'),
    );
    expect(taken).toMatchObject({ code: 2, err: expect.stringContaining('never overwritten') });
    expect(existsSync(at('new.key'))).toBe(false);
    const start = await ca(
      'rotate',
      'start',
      '--root-cert',
      at('new.pem'),
      '--root-key',
      at('new.key'),
    );
    expect(start.out).toContain('trusting');
    expect((await ca('rotate', 'advance', '--wait', '1m')).out).toContain('switched');
    expect((await ca('rotate', 'advance')).out).toContain('steady');
    const bundle = JSON.parse((await ca('bundle')).out) as { keys: { x5c?: string[] }[] };
    expect(readFileSync(at('new.pem'), 'utf8').replaceAll('\n', '')).toContain(
      bundle.keys[0]?.x5c?.[0],
    );
    expect((await ca('rewrap')).err).toContain('0 keys');
    expect((await ca('rotate', 'token-key')).err).toContain('signs from');
  });

  it('prints the key of a root once, where no file is named', async () => {
    const { out, err } = await ca('init', '--root-cert', at('root.pem'));
    expect(out).toMatch(/^-----BEGIN PRIVATE KEY-----[\s\S]+-----END PRIVATE KEY-----\n$/);
    expect(err).toContain('only this once');
    expect(existsSync(at('root.pem'))).toBe(true);
  });

  it('federates', async () => {
    await ca('init', '--root-cert', at('root.pem'), '--root-key', at('root.key'));
    writeFileSync(at('bundle.json'), (await ca('bundle')).out);
    expect((await ca('federate', 'add', 'b.test')).code).toBe(2);
    expect((await ca('federate', 'add', 'b.test', '--file', at('none.json'))).err).toContain(
      'cannot be read',
    );
    expect((await ca('federate', 'add', 'b.test', '--file', at('bundle.json'))).code).toBe(0);
    expect((await ca('federate', 'list')).out).toMatch(/b\.test +1 +1 /);
    expect((await ca('federate', 'remove', 'b.test')).code).toBe(0);
    expect((await ca('federate', 'remove', 'b.test')).err).toContain('no federation with b.test');
  });
});

describe('the authority that comes by itself', () => {
  it('is set up once, and renews its intermediate', async () => {
    const said: string[] = [];
    const embedded = {
      credentials: { server: control.url, token: ADMIN },
      dataDir: folder,
      say: (line: string) => void said.push(line),
    };
    const generation = async (): Promise<unknown> => {
      const { body } = await control.ask('GET', '/v1/identity/authority');
      return (body['signer'] as { generation: number } | undefined)?.generation;
    };
    (await keepAuthority(embedded))();
    expect(said).toEqual([expect.stringContaining(at('ca-root-key.pem'))]);
    expect(statSync(at('ca-root-key.pem')).mode & 0o777).toBe(0o600);
    (await keepAuthority(embedded))();
    expect([said.length, await generation()]).toEqual([1, 1]);
    // The new one begins now, so that it hasn't ended for a control plane that is ahead.
    nowMs += 300 * 86_400_000;
    (await keepAuthority(embedded))();
    expect([said[1], await generation()]).toEqual([expect.stringContaining('new intermediate'), 2]);
  });

  it('keeps its secret in the data folder, for its owner alone', () => {
    const first = authoritySecrets(folder);
    expect(first.secret.length).toBeGreaterThanOrEqual(32);
    expect(statSync(at('ca-secret')).mode & 0o777).toBe(0o600);
    expect(authoritySecrets(folder)).toEqual(first);
  });
});
