/** Logging in as a person does, before an issuer and a control plane on loopback. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TestControl } from '../test/fixtures/control.ts';
import { startTestControl } from '../test/fixtures/control.ts';
import type { TestIssuer } from '../test/fixtures/issuer.ts';
import { startIssuer } from '../test/fixtures/issuer.ts';
import { lateen, runLateen } from '../test/fixtures/node-process.ts';
import { loginByBrowser } from './login.ts';

vi.setConfig({ testTimeout: 90_000 });

let issuer: TestIssuer;
let control: TestControl;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lateen-login-'));
  issuer = await startIssuer();
  issuer.person = { sub: 'ada', groups: ['shop'] };
  control = await startTestControl({
    oidc: JSON.stringify({
      issuer: issuer.url,
      clientId: 'lateen-cli',
      mappings: [{ group: 'shop', role: 'editor', namespaces: ['shop'] }],
    }),
  });
});
afterAll(async () => {
  await control.close();
  issuer.close();
  rmSync(folder, { recursive: true });
});

const settings = (): Parameters<typeof loginByBrowser>[0] => ({
  issuer: issuer.url,
  clientId: 'lateen-cli',
  scopes: ['openid'],
});
const urlIn = (text: string): string => /^https?:\S+/m.exec(text)?.[0] ?? '';

describe('a login', () => {
  it('by browser keeps a session that later commands use, until it is ended', async () => {
    const login = lateen(['auth', 'login', '--server', control.url], folder);
    await login.until(/^http/m);
    await fetch(urlIn(login.stderr));
    expect((await login.ended).code).toBe(0);
    expect(login.stderr).toContain('logged in as oidc:ada (editor, shop)');
    const file = join(folder, '.lateen', 'session.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { token } = JSON.parse(readFileSync(file, 'utf8')) as { token: string };
    expect(login.stderr + login.stdout).not.toContain(token);
    expect((await runLateen(['auth', 'whoami'], folder)).stdout).toContain('by session');
    expect((await runLateen(['auth', 'logout'], folder)).code).toBe(0);
    expect((await control.ask('GET', '/v1/access/whoami', { token })).status).toBe(401);
  });

  it('by device waits until somebody gave the code', async () => {
    const login = await runLateen(['auth', 'login', '--device', '--server', control.url], folder);
    expect(login.stderr).toContain('/activate on any device and give the code ABCD-EFGH');
    expect(login.code).toBe(0);
  });

  it('takes no redirect but its own', async () => {
    let said = '';
    const login = loginByBrowser(settings(), (text) => {
      said = text;
    });
    await vi.waitFor(() => expect(said).toContain('http'));
    const redirect = new URL(urlIn(said)).searchParams.get('redirect_uri') ?? '';
    for (const query of ['?code=evil', '?code=evil&state=x', ''])
      expect((await fetch(redirect + query)).status).toBe(404);
    await fetch(urlIn(said));
    expect((await login).split('.')).toHaveLength(3);
    const last = issuer.exchanges.at(-1);
    expect(last?.get('code')).not.toBe('evil');
    expect(last?.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  });

  it('holds the issuer to its name', async () => {
    const other = { ...settings(), issuer: issuer.url.replace('127.0.0.1', 'localhost') };
    await expect(loginByBrowser(other, () => undefined)).rejects.toThrow('another issuer');
  });
});
