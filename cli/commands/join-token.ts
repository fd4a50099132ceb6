/** join-token: one-time tokens by which proxies get their identity. */
import type { Command } from 'commander';
import { MAX_JOIN_TOKEN_MS } from '../../src/delivery/joining.ts';
import { parseDuration } from '../../src/lib/duration.ts';
import { call, resolveCredentials } from '../client.ts';
import { globalOptions, withConnection } from '../context.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { note, outputFormat, printData, table } from '../output.ts';

interface CreateOptions extends GlobalOptions {
  readonly identity: string;
  readonly ttl: string;
  readonly cidr?: string;
}

interface JoinToken {
  readonly id: string;
  readonly identity: string;
  readonly state: string;
  readonly createdBy: string;
  readonly expiresMs: number;
  readonly cidr?: string;
  readonly usedFrom?: string;
  readonly token?: string;
}

const PATH = '/v1/identity/join-tokens';

function ttlSeconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1000 || ms > MAX_JOIN_TOKEN_MS)
    throw new CommandError(`--ttl ${text}: want 1s to ${MAX_JOIN_TOKEN_MS / 60_000}m`, 2);
  return Math.floor(ms / 1000);
}

/** The token alone goes to stdout, so that a script can pass it on. */
async function create({ identity, ttl, cidr, ...options }: CreateOptions): Promise<void> {
  const wanted = { identity, ttlSeconds: ttlSeconds(ttl), ...(cidr === undefined ? {} : { cidr }) };
  const { body } = await call<JoinToken>(resolveCredentials(options), PATH, {
    method: 'POST',
    body: JSON.stringify(wanted),
  });
  note(
    `join token ${body.id} for ${body.identity}, good once until ${new Date(body.expiresMs).toISOString()}; it is shown only now`,
  );
  process.stdout.write(`${body.token ?? ''}\n`);
}

async function list(options: GlobalOptions): Promise<void> {
  const { body } = await call<{ readonly items: readonly JoinToken[] }>(
    resolveCredentials(options),
    PATH,
  );
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const rows = body.items.map(
    ({ id, identity, state, expiresMs, createdBy, cidr = '', usedFrom = '' }) => [
      id,
      identity,
      state,
      new Date(expiresMs).toISOString(),
      createdBy,
      cidr,
      usedFrom,
    ],
  );
  const header = ['ID', 'IDENTITY', 'STATE', 'EXPIRES', 'BY', 'CIDR', 'USED FROM'];
  process.stdout.write(table(header, rows));
}

async function revoke(id: string, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), `${PATH}/${encodeURIComponent(id)}`, {
    method: 'DELETE',
  });
  process.stdout.write(`join token ${id} revoked\n`);
}

export function registerJoinToken(program: Command): void {
  const command = program
    .command('join-token')
    .description('one-time tokens by which proxies get their identity');
  withConnection(command.command('create'))
    .description('make a join token; it is printed once')
    .requiredOption('--identity <uri>', 'that it gives, as spiffe://cluster.local/ns/shop/sa/cart')
    .option('--ttl <duration>', 'how long it may be used, at most 15m', '10m')
    .option('--cidr <block>', 'where it must be used from')
    .action(async (_options: unknown, self: Command) => create(globalOptions(self)));
  withConnection(command.command('list'))
    .description('join tokens of the last day, without their secrets')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (_options: unknown, self: Command) => list(globalOptions(self)));
  withConnection(command.command('revoke <id>'))
    .description('end a join token, at once')
    .action(async (id: string, _options: unknown, self: Command) =>
      revoke(id, globalOptions(self)),
    );
}
