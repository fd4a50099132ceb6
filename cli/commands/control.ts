/** control: the control plane alone, in this process, on a file. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startControlPlane } from '../../control/node.ts';
import { keepAuthority } from '../ca/embedded.ts';
import { authoritySecrets } from '../ca/secret.ts';
import { parseDuration } from '../../src/lib/duration.ts';
import { CREDENTIALS_FILE } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { note } from '../output.ts';
import { untilStopped } from '../until-stopped.ts';

interface ControlOptions {
  readonly port: string;
  readonly dataDir: string;
  readonly certificateTtl: string;
  readonly trustedHops: string;
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

function hopsOf(text: string): number {
  if (/^\d$/.test(text)) return Number(text);
  throw new CommandError(`--trusted-hops ${text}: want 0 to 9`, 2);
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
    trustedHops: hopsOf(options.trustedHops),
    certificateTtlMs: certificateTtlOf(options.certificateTtl),
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
    .option('--trusted-hops <count>', 'proxies in front whose X-Forwarded-For is believed', '0')
    .option('--certificate-ttl <duration>', "of workloads' certificates, 5s to 90d", '24h')
    .action(async (options: ControlOptions) => serve(options));
}
