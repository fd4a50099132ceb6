/** Options that sidecars and gateways share. */
import { availableParallelism } from 'node:os';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { AdminAt } from '../../node-adapter/process/index.ts';
import type { CredentialFiles } from '../../src/lib/file-credential.ts';
import { withConnection } from '../context.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { parseAddress, parseTime } from './addresses.ts';
import type { JoinOptions } from './joining.ts';

export interface SharedOptions extends GlobalOptions {
  readonly namespace: string;
  readonly name?: string;
  readonly label?: readonly string[];
  readonly config?: readonly string[];
  readonly admin: string;
  readonly dataDir: string;
  readonly drainTimeout: string;
  readonly workers: string;
  readonly maxConnections?: string;
  readonly workerTimeout: string;
  readonly accessLog: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly joinToken?: string;
  readonly oidcToken?: string;
  readonly joinRoot?: string;
  readonly identity?: string;
  readonly joinServer?: string;
  readonly renewAt: string;
  readonly serviceAccount?: string;
}

export const ADMIN_DEFAULT = '127.0.0.1:15000';
export const DATA_DIR_DEFAULT: string = join('.lateen', 'proxy');

export function withShared(command: Command, workers: string): Command {
  return withConnection(command)
    .option('-n, --namespace <name>', "the proxy's namespace", 'default')
    .option('-l, --label <key=value>', "label of the proxy's workload (repeatable)", collect)
    .option('--config <name>', 'file or folder to be configured by, watched (repeatable)', collect)
    .option('--admin <at>', 'admin endpoint: [host:]port, path of a socket, or off', ADMIN_DEFAULT)
    .option('--data-dir <folder>', 'last good configuration, process record', DATA_DIR_DEFAULT)
    .option('--drain-timeout <time>', 'how long what is under way may take to end', '30s')
    .option('--workers <count>', 'processes that carry the traffic, or auto: one a core', workers)
    .option(
      '--max-connections <count>',
      'connections of clients at a time, in each worker; 0: any number (default: half of its file descriptors, less 64)',
    )
    .option(
      '--worker-timeout <time>',
      'a worker that answers nothing for so long is killed and started again; 0 = never',
      '10s',
    )
    .option(
      '--cert <file>',
      "the workload's certificate of the mesh, which says its SPIFFE ID (PEM)",
    )
    .option('--key <file>', 'key of that certificate (PEM)')
    .option('--ca <file>', 'who signs the certificates of the mesh (PEM)')
    .option(
      '--join-token <token>',
      'join the mesh with it, once: what `lateen join-token create` printed, or @ and its file (else LATEEN_JOIN_TOKEN)',
    )
    .option('--oidc-token <@file>', "join with a token of the workload's platform")
    .option('--join-root <sha256>', "with --oidc-token: the mesh's root, or its file")
    .option('--identity <uri>', 'with --oidc-token: the SPIFFE ID that it is to give')
    .option('--join-server <url>', "whose authority certifies (default: --server's)")
    .option(
      '--service-account <name>',
      "who it is where no mutual TLS is visible, for a token that it makes with an administrator's (default: as it joins)",
    )
    .option('--renew-at <share>', 'of its life, when a certificate is renewed', '0.5')
    .option('--access-log <on|off>', 'a line of JSON for each request, to standard output', 'on');
}

const MAX_WORKERS = 256;

function workersOf(text: string): number {
  if (text === 'auto') return availableParallelism();
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_WORKERS)
    throw new CommandError(`--workers ${text}: want auto, or 1 to ${MAX_WORKERS}`, 2);
  return count;
}

function maxConnectionsOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CommandError(`--max-connections ${text}: want a number, or 0 for any`, 2);
}

export function adminOf(text: string): AdminAt | undefined {
  if (text === 'off') return undefined;
  if (text.includes('/')) return { path: text };
  return parseAddress(text, '--admin');
}

function accessLogOf(text: string): boolean {
  if (text !== 'on' && text !== 'off')
    throw new CommandError(`--access-log ${text}: want on or off`, 2);
  return text === 'on';
}

/** The workload's identity; its files are read again when they change. */
function identityOf({ cert, key, ca }: SharedOptions): CredentialFiles | undefined {
  const given = { '--cert': cert, '--key': key, '--ca': ca };
  const missing = Object.entries(given).filter(([, path]) => path === undefined);
  if (missing.length === 3) return undefined;
  const [first] = missing;
  if (first !== undefined)
    throw new CommandError(`${first[0]} is missing: want --cert, --key and --ca together`, 2);
  const [certificate, itsKey, authorities] = Object.entries(given).map(([flag, path = '']) => {
    if (!existsSync(path)) throw new CommandError(`${flag} ${path}: there is no such file`, 2);
    return resolve(path);
  }) as [string, string, string];
  return { certificate, key: itsKey, authorities };
}

export interface Shared {
  readonly namespace: string;
  readonly workers: number;
  /** @default what the limit of file descriptors allows */
  readonly maxConnections?: number;
  readonly workerTimeoutMs: number;
  readonly admin?: AdminAt;
  readonly dataDir: string;
  readonly drainMs: number;
  readonly accessLog: boolean;
  readonly identity?: CredentialFiles;
  readonly join?: JoinOptions;
}

export function sharedOf(options: SharedOptions): Shared {
  const admin = adminOf(options.admin);
  const identity = identityOf(options);
  const { maxConnections } = options;
  if (identity !== undefined && (options.joinToken ?? options.oidcToken) !== undefined)
    throw new CommandError('--cert and --join-token or --oidc-token: one of them is enough', 2);
  return {
    namespace: options.namespace,
    workers: workersOf(options.workers),
    ...(maxConnections === undefined ? {} : { maxConnections: maxConnectionsOf(maxConnections) }),
    workerTimeoutMs: parseTime(options.workerTimeout, '--worker-timeout'),
    ...(admin === undefined ? {} : { admin }),
    dataDir: options.dataDir,
    drainMs: parseTime(options.drainTimeout, '--drain-timeout'),
    accessLog: accessLogOf(options.accessLog),
    ...(identity === undefined ? { join: options } : { identity }),
  };
}
