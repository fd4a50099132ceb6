/** control: the control plane alone, in this process, on a file. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startControlPlane } from '../../control/node.ts';
import { keepAuthority } from '../ca/embedded.ts';
import { authoritySecrets } from '../ca/secret.ts';
import { CREDENTIALS_FILE } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { note } from '../output.ts';
import { untilStopped } from '../until-stopped.ts';

interface ControlOptions {
  readonly port: string;
  readonly dataDir: string;
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
    .action(async (options: ControlOptions) => serve(options));
}
