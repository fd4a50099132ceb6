/** auth token: who may ask the control plane for what. */
import type { Command } from 'commander';
import { parseDuration } from '../../src/lib/duration.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { note, outputFormat, printData, table } from '../output.ts';

interface CreateOptions extends GlobalOptions {
  readonly role: string;
  readonly ttl?: string;
  readonly scope?: readonly string[];
  readonly serviceAccount?: string;
}

interface Token {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly createdMs: number;
  readonly expiresMs?: number;
  readonly scopes?: readonly ProxyScope[];
  readonly token?: string;
}

function parseScope(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(
      `--scope ${text}: want JSON as {"type":"gateway","namespace":"istio-system","name":"front","labels":{"istio":"ingressgateway"}}`,
      2,
    );
  }
}

function ttlSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1000)
    throw new CommandError(`--ttl ${text}: want a duration of a second or more, as 24h`, 2);
  return Math.floor(ms / 1000);
}

/** The token alone goes to stdout, so that a script can keep it. */
async function create(name: string, options: CreateOptions): Promise<void> {
  const { body } = await call<Token>(resolveCredentials(options), '/v1/tokens', {
    method: 'POST',
    body: JSON.stringify({
      name,
      role: options.role,
      ttlSeconds: ttlSeconds(options.ttl),
      scopes: options.scope?.map((text) => parseScope(text)),
      serviceAccount: options.serviceAccount,
    }),
  });
  note(`token ${body.id} (${body.role}); it is shown only this once`);
  process.stdout.write(`${body.token ?? ''}\n`);
}

async function list(options: GlobalOptions): Promise<void> {
  const { body } = await call<{ readonly items: readonly Token[] }>(
    resolveCredentials(options),
    '/v1/tokens',
  );
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const time = (ms: number | undefined): string =>
    ms === undefined ? 'never' : new Date(ms).toISOString();
  const rows = body.items.map(({ id, name, role, createdMs, expiresMs, scopes = [] }) => [
    id,
    name,
    role,
    time(createdMs),
    time(expiresMs),
    scopes.map((scope) => `${scope.type}/${scope.namespace}/${scope.name}`).join(' '),
  ]);
  process.stdout.write(table(['ID', 'NAME', 'ROLE', 'CREATED', 'EXPIRES', 'SCOPES'], rows));
}

async function revoke(id: string, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), `/v1/tokens/${encodeURIComponent(id)}`, {
    method: 'DELETE',
  });
  process.stdout.write(`token ${id} revoked\n`);
}

interface AuditPage {
  readonly items: readonly {
    readonly atMs: number;
    readonly actor: string;
    readonly role: string;
    readonly method: string;
    readonly path: string;
    readonly status: number;
  }[];
}

async function audit(options: GlobalOptions): Promise<void> {
  const { body } = await call<AuditPage>(resolveCredentials(options), '/v1/audit');
  const rows = body.items.map(({ atMs, actor, role, method, path, status }) => [
    new Date(atMs).toISOString(),
    actor,
    role,
    String(status),
    `${method} ${path}`,
  ]);
  process.stdout.write(table(['TIME', 'ACTOR', 'ROLE', 'STATUS', 'REQUEST'], rows));
}

export function registerAuth(program: Command): void {
  const auth = program.command('auth').description('tokens and who used them');
  const token = auth.command('token').description('bearer tokens of the admin API');
  withConnection(token.command('create <name>'))
    .description('make a token; it is printed once')
    .requiredOption('--role <role>', 'viewer, editor, admin or proxy')
    .option('--ttl <duration>', 'as 24h; without it the token holds until it is revoked')
    .option('--scope <json>', 'with --role proxy: whose configuration (repeatable)', collect)
    .option(
      '--service-account <name>',
      'with --role proxy: who the proxy is for others, in the namespace of its scopes',
    )
    .action(async (name: string, _options: unknown, command: Command) =>
      create(name, globalOptions(command)),
    );
  withConnection(token.command('list'))
    .description('tokens, without their secrets')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (_options: unknown, command: Command) => list(globalOptions(command)));
  withConnection(token.command('revoke <id>'))
    .description('end a token, at once')
    .action(async (id: string, _options: unknown, command: Command) =>
      revoke(id, globalOptions(command)),
    );
  withConnection(auth.command('audit'))
    .description('who did or was refused what')
    .action(async (_options: unknown, command: Command) => audit(globalOptions(command)));
}
