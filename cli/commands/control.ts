/** control: the control plane alone, in this process, on a file. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startControlPlane } from '../../control/node.ts';
import { keepAuthority } from '../ca/embedded.ts';
import { authoritySecrets } from '../ca/secret.ts';
import { parseCidr } from '../../src/lib/cidr.ts';
import { parseDuration } from '../../src/lib/duration.ts';
import { CREDENTIALS_FILE } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { note } from '../output.ts';
import { untilStopped } from '../until-stopped.ts';

interface ControlOptions {
  readonly port: string;
  readonly dataDir: string;
  readonly trustedProxy?: readonly string[];
  readonly certificateTtl: string;
}

/** Made once, readable to its owner alone. */
function adminToken(folder: string, server: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, CREDENTIALS_FILE);
  const token = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Credentials).token
    : `lat_${randomBytes(24).toString('hex')}`;
  writeFileSync(file, JSON.stringify({ server, token }), { mode: 0o600 });
  return token;
}

const MIN_TTL_MS = 5000;
const MAX_TTL_MS = 90 * 24 * 3_600_000;

function certificateTtlOf(text: string): number {
  const days = /^(\d{1,3})d$/.exec(text)?.[1];
  const ms = days === undefined ? parseDuration(text) : Number(days) * 24 * 3_600_000;
  if (ms === undefined || ms < MIN_TTL_MS || ms > MAX_TTL_MS)
    throw new CommandError(`--certificate-ttl ${text}: want 5s to 90d`, 2);
  return ms;
}

function blocksOf(blocks: readonly string[]): readonly string[] {
  const wrong = blocks.find((block) => parseCidr(block) === undefined);
  if (wrong === undefined) return blocks;
  throw new CommandError(`--trusted-proxy ${wrong}: want an address or a block, as 10.0.0.0/8`, 2);
}

async function serve(options: ControlOptions): Promise<void> {
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new CommandError(`--port ${options.port}: want 1 to 65535`, 2);
  const server = `http://127.0.0.1:${port}`;
  const token = adminToken(options.dataDir, server);
  const { secret, before } = authoritySecrets(options.dataDir);
  const control = await startControlPlane({
    database: join(options.dataDir, 'control.sqlite'),
    port,
    adminToken: token,
    caSecret: secret,
    certificateTtlMs: certificateTtlOf(options.certificateTtl),
    trustedProxies: blocksOf(options.trustedProxy ?? []),
    ...(before === undefined ? {} : { caSecretBefore: before }),
    log: note,
  }).catch((error: unknown) => {
    const isTaken = (error as { readonly code?: string }).code === 'EADDRINUSE';
    throw isTaken ? new CommandError(`port ${port} is in use: give --port another`) : error;
  });
  note(
    `control plane at ${control.url}, token in ${join(options.dataDir, CREDENTIALS_FILE)}; Ctrl-C stops it`,
  );
  const endKeeping = await keepAuthority({
    credentials: { server, token },
    dataDir: options.dataDir,
    say: note,
  });
  await untilStopped();
  endKeeping();
  await control.close();
}

export function registerControl(program: Command): void {
  program
    .command('control')
    .description('run the control plane alone, over an embedded database')
    .option('--port <port>', 'port on loopback', '8090')
    .option('--data-dir <folder>', 'where the database and the token are kept', '.lateen')
    .option(
      '--trusted-proxy <block>',
      'whose X-Forwarded-For is believed, as 10.0.0.0/8 (repeatable, default none)',
      collect,
    )
    .option('--certificate-ttl <duration>', "of workloads' certificates, 5s to 90d", '24h')
    .action(async (options: ControlOptions) => serve(options));
}
