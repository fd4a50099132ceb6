/** control: the control plane alone, in this process, on a file. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { collect } from '../files.ts';
import type { ControlTls } from '../../control/node.ts';
import { keepAuthority } from '../ca/embedded.ts';
import { authoritySecrets } from '../ca/secret.ts';
import { parseLongDuration } from '../duration.ts';
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
  readonly listen: string;
  readonly plaintext?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly machines?: string;
  readonly oidc?: string;
  readonly allowedHost?: readonly string[];
}

function contentOf(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CommandError(`${option} ${file}: it cannot be read`, 2);
  }
}

/** @throws CommandError (exit 2) when half of it is missing */
function tlsOf({ tlsCert, tlsKey, clientCa, machines }: ControlOptions): ControlTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined) {
    if (clientCa !== undefined || machines !== undefined)
      throw new CommandError('--client-ca and --machines need --tls-cert and --tls-key', 2);
    return undefined;
  }
  if (tlsCert === undefined || tlsKey === undefined)
    throw new CommandError('--tls-cert and --tls-key go together', 2);
  if ((clientCa === undefined) !== (machines === undefined))
    throw new CommandError('--client-ca and --machines go together', 2);
  return {
    certificate: contentOf(tlsCert, '--tls-cert'),
    key: contentOf(tlsKey, '--tls-key'),
    ...(clientCa === undefined ? {} : { clientCa: contentOf(clientCa, '--client-ca') }),
    ...(machines === undefined ? {} : { machines: contentOf(machines, '--machines') }),
  };
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

/** Tokens cross a network in the clear only where somebody said so. */
function requireTls({ listen, plaintext }: ControlOptions, tls: ControlTls | undefined): void {
  if (tls !== undefined || plaintext === true || LOOPBACK.test(listen)) return;
  throw new CommandError(
    `--listen ${listen} without TLS: give --tls-cert and --tls-key, or --plaintext where something else in front has it`,
    2,
  );
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
  const ms = parseLongDuration(text);
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
  const tls = tlsOf(options);
  requireTls(options, tls);
  const server = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const token = adminToken(options.dataDir, server);
  const { secret, before } = authoritySecrets(options.dataDir);
  // Other commands need not load a control plane to be listed beside it.
  const { startControlPlane } = await import('../../control/node.ts');
  const control = await startControlPlane({
    database: join(options.dataDir, 'control.sqlite'),
    port,
    adminToken: token,
    listen: options.listen,
    allowedHosts: options.allowedHost ?? [],
    ...(tls === undefined ? {} : { tls }),
    ...(options.oidc === undefined ? {} : { oidc: contentOf(options.oidc, '--oidc') }),
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
    .option('--port <port>', 'port', '8090')
    .option('--listen <address>', 'address; off loopback it needs TLS', '127.0.0.1')
    .option('--tls-cert <file>', 'PEM: the certificate and its chain')
    .option('--tls-key <file>', 'PEM')
    .option('--client-ca <file>', "PEM: authorities of machines' certificates")
    .option('--machines <file>', 'JSON: roles by SPIFFE identity')
    .option('--plaintext', 'no TLS off loopback: something in front has it')
    .option('--oidc <file>', 'JSON: where people log in')
    .option('--allowed-host <name>', 'a name in Host that is answered (repeatable)', collect)
    .option('--data-dir <folder>', 'where the database and the token are kept', '.lateen')
    .option('--trusted-hops <count>', 'proxies in front whose X-Forwarded-For is believed', '0')
    .option('--certificate-ttl <duration>', "of workloads' certificates, 5s to 90d", '24h')
    .action(async (options: ControlOptions) => serve(options));
}
