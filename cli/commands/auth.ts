/** auth: who may ask the control plane for what. */
import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import { AREAS, VERBS } from '../../control/access/rights.ts';
import { parseDuration } from '../../src/lib/duration.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { parseLongDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { findKind } from '../kinds.ts';
import { note, outputFormat, printData, table } from '../output.ts';
import { registerLogin } from './login.ts';

interface CreateOptions extends GlobalOptions {
  readonly role: string;
  readonly ttl?: string;
  readonly namespaces?: readonly string[];
  readonly scope?: readonly string[];
  readonly serviceAccount?: string;
}

interface Token {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly createdMs: number;
  readonly expiresMs?: number;
  readonly lastUsedMs?: number;
  readonly namespaces?: readonly string[];
  readonly scopes?: readonly ProxyScope[];
  readonly serviceAccount?: string;
  readonly token?: string;
}

const time = (ms: number | undefined): string =>
  ms === undefined ? 'never' : new Date(ms).toISOString();

const until = (ms: number | undefined): string =>
  ms === undefined ? 'without end' : `until ${time(ms)}`;

const areas: ReadonlySet<string> = new Set(AREAS);

const SCOPE =
  '{"type":"gateway","namespace":"istio-system","name":"front","labels":{"istio":"ingressgateway"}}';

function parseScope(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`--scope ${text}: want JSON, as '${SCOPE}'`, 2);
  }
}

function ttlSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseLongDuration(text);
  if (ms === undefined || ms < 1000)
    throw new CommandError(`--ttl ${text}: want a duration of a second or more, as 24h or 30d`, 2);
  return Math.floor(ms / 1000);
}

/** The token alone goes to stdout, so that a script can keep it. */
function printToken({ id, role, expiresMs, token = '' }: Token): void {
  note(`token ${id} (${role}), ${until(expiresMs)}; it is shown only this once`);
  process.stdout.write(`${token}\n`);
}

async function create(name: string, options: CreateOptions): Promise<void> {
  if ((options.role === 'proxy') !== (options.scope !== undefined))
    throw new CommandError(
      options.role === 'proxy'
        ? `--role proxy: want --scope, whose configuration it is to have, as '${SCOPE}'`
        : '--scope: want --role proxy with it; what others reach says --namespaces',
      2,
    );
  const { body } = await call<Token>(resolveCredentials(options), '/v1/tokens', {
    method: 'POST',
    body: JSON.stringify({
      name,
      role: options.role,
      ttlSeconds: ttlSeconds(options.ttl),
      namespaces: options.namespaces?.flatMap((text) => text.split(',')),
      scopes: options.scope?.map((text) => parseScope(text)),
      serviceAccount: options.serviceAccount,
    }),
  });
  printToken(body);
}

async function rotate(
  id: string,
  options: GlobalOptions & { readonly overlap: string },
): Promise<void> {
  const ms = parseDuration(options.overlap);
  if (ms === undefined || ms < 0)
    throw new CommandError(`--overlap ${options.overlap}: want a duration, as 1h`, 2);
  const { body } = await call<Token & { readonly oldExpiresMs?: number }>(
    resolveCredentials(options),
    `/v1/tokens/${encodeURIComponent(id)}/rotate`,
    { method: 'POST', body: JSON.stringify({ overlapSeconds: Math.floor(ms / 1000) }) },
  );
  note(`token ${id} holds until ${time(body.oldExpiresMs)}`);
  printToken(body);
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
  const rows = body.items.map((one) => [
    one.id,
    one.name,
    one.role,
    time(one.createdMs),
    time(one.expiresMs),
    time(one.lastUsedMs),
    one.scopes === undefined
      ? (one.namespaces ?? ['*']).join(' ')
      : one.scopes.map((scope) => `${scope.type}/${scope.namespace}/${scope.name}`).join(' '),
    one.serviceAccount ?? '',
  ]);
  const header = ['ID', 'NAME', 'ROLE', 'CREATED', 'EXPIRES', 'LAST USED', 'REACHES', 'SPEAKS AS'];
  process.stdout.write(table(header, rows));
}

async function revoke(id: string, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), `/v1/tokens/${encodeURIComponent(id)}`, {
    method: 'DELETE',
  });
  process.stdout.write(`token ${id} revoked\n`);
}

interface Whoami {
  readonly name: string;
  readonly role: string;
  readonly namespaces?: readonly string[];
  readonly expiresMs?: number;
  readonly by: string;
}

async function whoami(options: GlobalOptions): Promise<void> {
  const { body } = await call<Whoami>(resolveCredentials(options), '/v1/access/whoami');
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body, format);
    return;
  }
  const { name, role, namespaces, expiresMs, by } = body;
  const where = namespaces === undefined ? 'all namespaces' : namespaces.join(', ');
  process.stdout.write(`${name} (${role}, ${where}), by ${by}, ${until(expiresMs)}\n`);
}

/** The answer is the exit code too, as kubectl's. */
async function canI(verb: string, kind: string, options: GlobalOptions): Promise<void> {
  const known = areas.has(kind) ? { kind } : await kindNamed(kind);
  const { body } = await call<{
    readonly allowed: boolean;
    readonly reason?: string;
    readonly note?: string;
  }>(resolveCredentials(options), '/v1/access/can-i', {
    method: 'POST',
    body: JSON.stringify({ verb, ...known, namespace: options.namespace }),
  });
  process.stdout.write(body.allowed ? 'yes\n' : 'no\n');
  const why = body.reason ?? body.note;
  if (why !== undefined) note(why);
  if (!body.allowed) process.exitCode = 1;
}

/** A kind as people write it: `vs`, `virtualservices`, `VirtualService`. */
async function kindNamed(
  text: string,
): Promise<{ readonly kind: string; readonly group?: string }> {
  const { kind, group } = await findKind(text);
  return { kind, group };
}

const ROLES = ['viewer', 'operator', 'editor', 'security-admin', 'admin', 'proxy'] as const;

export function registerAuth(program: Command): void {
  const auth = program.command('auth').description('tokens, and what they may');
  registerLogin(auth);
  const token = auth.command('token').description('bearer tokens of the admin API');
  withConnection(token.command('create <name>'))
    .description('make a token; it is printed once')
    .addOption(new Option('--role <role>', 'what it may').choices(ROLES).makeOptionMandatory())
    .option(
      '--ttl <duration>',
      'as 24h or 30d; without it 90 days, 30 of security-admin and admin; a proxy token holds until it is revoked',
    )
    .option('--namespaces <names>', 'what it reaches, separated by commas; else all', collect)
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
  withConnection(token.command('rotate <id>'))
    .description('a token in the place of another; the old one holds a while beside it')
    .option('--overlap <duration>', 'how long', '1h')
    .action(async (id: string, _options: unknown, command: Command) =>
      rotate(id, globalOptions(command)),
    );
  withConnection(auth.command('whoami'))
    .description('whom the control plane takes you for')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (_options: unknown, command: Command) => whoami(globalOptions(command)));
  withConnection(auth.command('can-i'))
    .addArgument(new Argument('<verb>', 'what to do').choices(VERBS))
    .argument('<kind>', `a kind, or ${AREAS.join(', ')}`)
    .description('may you do that? exit code 1 for no')
    .option('-n, --namespace <name>', 'in this namespace; else in all of them')
    .action(async (verb: string, kind: string, _options: unknown, command: Command) =>
      canI(verb, kind, globalOptions(command)),
    );
}
