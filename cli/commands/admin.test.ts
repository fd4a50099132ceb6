/** auth, audit and harden as people type them, before a control plane of their own. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TestControl } from '../../test/fixtures/control.ts';
import { ADMIN, serviceEntry, startTestControl } from '../../test/fixtures/control.ts';
import { runLateen } from '../../test/fixtures/node-process.ts';

vi.setConfig({ testTimeout: 90_000 });

let control: TestControl;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lateen-admin-'));
  control = await startTestControl();
  await control.ask('POST', '/v1/apply', { body: serviceEntry('a') });
});
afterAll(async () => {
  await control.close();
  rmSync(folder, { recursive: true });
});

const run = (...args: readonly string[]): ReturnType<typeof runLateen> =>
  runLateen([...args, '--server', control.url], folder);
const asAdmin = (...args: readonly string[]): ReturnType<typeof runLateen> =>
  run(...args, '--token', ADMIN);

describe('lateen auth', () => {
  it('makes a token of namespaces, says what it may, rotates and lists it', async () => {
    const made = await asAdmin(
      'auth',
      'token',
      'create',
      'ci',
      '--role',
      'editor',
      '--namespaces',
      'a,b',
    );
    expect(made.stdout).toMatch(/^lat_[0-9a-f]{16}_[0-9a-f]{48}\n$/);
    const token = made.stdout.trim();
    const may = await run('auth', 'can-i', 'create', 'vs', '-n', 'a', '--token', token);
    expect([may.code, may.stdout]).toEqual([0, 'yes\n']);
    const not = await run('auth', 'can-i', 'create', 'vs', '--token', token);
    expect([not.code, not.stdout]).toEqual([1, 'no\n']);
    expect(not.stderr).toContain('of the whole mesh');
    expect((await run('auth', 'whoami', '--token', token)).stdout).toContain('ci (editor, a, b)');
    const id = token.slice(4, 20);
    const rotated = await asAdmin('auth', 'token', 'rotate', id, '--overlap', '5m');
    expect(rotated.stdout).toMatch(/^lat_/);
    expect(rotated.stdout).not.toContain(id);
    const list = await asAdmin('auth', 'token', 'list');
    expect(list.stdout).toMatch(/ci +editor .* a b\n/);
    expect(list.stdout).not.toContain(token.slice(21));
  });
});

describe('what is mistyped', () => {
  it.each([
    [['auth', 'can-i', 'eat', 'vs'], 'Allowed choices are get, list'],
    [['auth', 'token', 'create', 'x', '--role', 'king'], 'Allowed choices are viewer'],
    [['auth', 'token', 'create', 'x', '--role', 'proxy'], 'want --scope'],
    [['auth', 'token', 'create', 'x', '--role', 'viewer', '--ttl', '1w'], 'as 24h or 30d'],
    [['auth', 'whoami', '--server', 'nonsense'], 'want an address'],
  ])('%j is misuse', async (args, text) => {
    const { code, stderr } = await runLateen([...args, '--token', ADMIN], folder);
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
  });

  it('says why nobody answers', async () => {
    const server = control.url.replace('http:', 'https:');
    const args = ['auth', 'whoami', '--token', ADMIN, '--server', server];
    const { code, stderr } = await runLateen(args, folder);
    expect([code, stderr]).toEqual([1, expect.stringContaining('try http')]);
  });
});

describe('lateen basic-auth hash', () => {
  it('takes a password from a file', () => {
    const file = join(folder, 'password');
    writeFileSync(file, 'secret\n');
    const input = openSync(file, 'r');
    const out = execFileSync(
      process.execPath,
      ['cli/bin.js', 'basic-auth', 'hash', '--user', 'bob'],
      { stdio: [input, 'pipe', 'inherit'], encoding: 'utf8' },
    );
    closeSync(input);
    expect(out).toMatch(/^bob:\$pbkdf2-sha256\$/);
  });
});

describe('lateen audit', () => {
  it('verifies the live log and its export, and finds what was changed or cut', async () => {
    const state = join(folder, 'head');
    const first = await asAdmin('audit', 'verify', '--state', state);
    expect(first.code).toBe(0);
    expect(first.stdout).toBe(readFileSync(state, 'utf8'));
    await control.ask('DELETE', '/v1/resources/networking.istio.io/ServiceEntry/default/a');
    expect((await asAdmin('audit', 'verify', '--state', state)).code).toBe(0);
    const head = readFileSync(state, 'utf8').trim();
    const { stdout } = await asAdmin('audit', 'export');
    const lines = stdout.trimEnd().split('\n');
    const file = join(folder, 'log.jsonl');
    const verify = async (kept: readonly string[]): Promise<string> => {
      writeFileSync(file, `${kept.join('\n')}\n`);
      const ran = await runLateen(['audit', 'verify', '-f', file, '--head', head], folder);
      return `${ran.code} ${ran.stderr}`;
    };
    expect(await verify(lines)).toContain(`0 ${lines.length} entries`);
    const changed = lines.with(0, (lines[0] ?? '').replace('bootstrap', 'somebody'));
    expect(await verify(changed)).toMatch(/^1 .*was changed/);
    expect(await verify(lines.slice(0, -1))).toContain('cut off');
  });

  it('lists by who, what and when', async () => {
    const list = await asAdmin(
      'audit',
      'list',
      '--method',
      'DELETE',
      '--since',
      '1h',
      '-o',
      'json',
    );
    const entries = JSON.parse(list.stdout) as { method: string; path: string }[];
    expect(entries.map(({ method }) => method)).toEqual(['DELETE']);
  });
});

describe('lateen harden', () => {
  it('asks files and the running mesh, and exits by what it found', async () => {
    const file = join(folder, 'mesh.yaml');
    writeFileSync(
      file,
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: x, namespace: a}\nspec:\n  mtls: {mode: DISABLE}\n',
    );
    const found = await runLateen(['harden', '-f', file], folder);
    expect(found.code).toBe(1);
    expect(found.stdout).toContain(`${file}:5:`);
    expect(found.stdout).toContain('[LAT0702] PeerAuthentication a/x spec.mtls.mode');
    const live = await asAdmin('harden', '-o', 'json');
    expect(live.code).toBe(0);
    expect(live.stdout).toContain('LAT0724');
    expect((await asAdmin('harden', '--fail-on', 'warning')).code).toBe(1);
  });
});
