/** auth login, auth logout: people, by the issuer that the control plane trusts. */
import { rmSync } from 'node:fs';
import type { Command } from 'commander';
import { call, resolveServer, saveSession, savedSession } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { LoginSettings } from '../login.ts';
import { loginByBrowser, loginByDevice } from '../login.ts';
import { note } from '../output.ts';

interface Session {
  readonly name: string;
  readonly role: string;
  readonly namespaces?: readonly string[];
  readonly expiresMs: number;
  readonly token: string;
}

async function login(options: GlobalOptions & { readonly device?: boolean }): Promise<void> {
  const server = resolveServer(options);
  const nobody = { server, token: '' };
  const { body: settings } = await call<LoginSettings>(nobody, '/v1/auth/config');
  const idToken = await (options.device === true ? loginByDevice : loginByBrowser)(settings, note);
  const { body } = await call<Session>(nobody, '/v1/auth/login', {
    method: 'POST',
    body: JSON.stringify({ idToken }),
  });
  const { name, role, namespaces, expiresMs, token } = body;
  saveSession({ server, token, expiresMs });
  const where = namespaces === undefined ? 'all namespaces' : namespaces.join(', ');
  note(`logged in as ${name} (${role}, ${where}) until ${new Date(expiresMs).toISOString()}`);
}

async function logout(options: GlobalOptions): Promise<void> {
  const saved = savedSession();
  if (saved === undefined || saved.session.server !== resolveServer(options))
    throw new CommandError('there is no session of this control plane here');
  await call(saved.session, '/v1/auth/logout', { method: 'POST', accept: [401] });
  rmSync(saved.file);
  note('logged out');
}

export function registerLogin(auth: Command): void {
  const server = '--server <url>';
  const where = 'control plane (else LATEEN_SERVER, else .lateen/credentials.json)';
  auth
    .command('login')
    .description('log in by the issuer of the control plane; the session is kept in .lateen')
    .option(server, where)
    .option('--device', 'with a code, on any device, where this machine has no browser')
    .action(async (_options: unknown, command: Command) => login(globalOptions(command)));
  auth
    .command('logout')
    .description('end the session')
    .option(server, where)
    .action(async (_options: unknown, command: Command) => logout(globalOptions(command)));
}
