/** ca oidc-join: who may join by tokens of their platform, as CI systems and clouds give them. */
import type { Command } from 'commander';
import { parseDuration } from '../../src/lib/duration.ts';
import { call, resolveCredentials } from '../client.ts';
import { globalOptions, withConnection } from '../context.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { outputFormat, printData, table } from '../output.ts';

interface AddOptions extends GlobalOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly claim: readonly string[];
  readonly identity: string;
  readonly algorithm?: readonly string[];
  readonly maxAge?: string;
}

interface OidcJoin {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly identity: string;
}

const PATH = '/v1/identity/oidc-joins';

function claimOf(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals < 1 || equals === text.length - 1)
    throw new CommandError(`--claim ${text}: want name=value, or name=beginning*`, 2);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function secondsOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1000)
    throw new CommandError(`--max-age ${text}: want a duration up to 1h, as 15m`, 2);
  return Math.floor(ms / 1000);
}

async function add(name: string, options: AddOptions): Promise<void> {
  const { issuer, audience, claim, identity, algorithm: algorithms, maxAge } = options;
  await call(resolveCredentials(options), PATH, {
    method: 'POST',
    body: JSON.stringify({
      name,
      issuer,
      audience,
      claims: Object.fromEntries(claim.map((text) => claimOf(text))),
      identity,
      algorithms,
      ...(maxAge === undefined ? {} : { maxAgeSeconds: secondsOf(maxAge) }),
    }),
  });
  process.stdout.write(`OIDC join ${name} added\n`);
}

async function list(options: GlobalOptions): Promise<void> {
  const { body } = await call<{ readonly items: readonly OidcJoin[] }>(
    resolveCredentials(options),
    PATH,
  );
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const rows = body.items.map(({ name, issuer, audience, claims, identity }) => [
    name,
    issuer,
    audience,
    Object.entries(claims)
      .map(([claim, value]) => `${claim}=${value}`)
      .join(' '),
    identity,
  ]);
  process.stdout.write(table(['NAME', 'ISSUER', 'AUDIENCE', 'CLAIMS', 'IDENTITY'], rows));
}

async function remove(name: string, options: GlobalOptions): Promise<void> {
  await call(resolveCredentials(options), `${PATH}/${encodeURIComponent(name)}`, {
    method: 'DELETE',
  });
  process.stdout.write(
    `OIDC join ${name} removed; certificates that it gave stay until they end\n`,
  );
}

/** @param ca the command that speaks of the authority */
export function registerOidcJoin(ca: Command): void {
  const command = ca
    .command('oidc-join')
    .description('who may join by tokens of their platform: CI systems, clouds');
  withConnection(command.command('add <name>'))
    .description('let workloads join whose tokens fit')
    .requiredOption('--issuer <url>', 'as the tokens say in iss; its keys are found by discovery')
    .requiredOption('--audience <text>', 'as the tokens must say in aud')
    .requiredOption('--claim <name=value>', 'that must fit; * may end it (repeatable)', collect)
    .requiredOption('--identity <uri>', 'that they get; {claim} stands for its value')
    .option('--algorithm <alg>', 'ES256, ES384, RS256, PS256 or EdDSA (repeatable)', collect)
    .option('--max-age <duration>', 'tokens issued longer ago are refused', '15m')
    .action(async (name: string, _options: unknown, self: Command) =>
      add(name, globalOptions(self)),
    );
  withConnection(command.command('list'))
    .description('the rules')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (_options: unknown, self: Command) => list(globalOptions(self)));
  withConnection(command.command('remove <name>'))
    .description('end a rule, at once')
    .action(async (name: string, _options: unknown, self: Command) =>
      remove(name, globalOptions(self)),
    );
}
