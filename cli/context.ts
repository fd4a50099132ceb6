import type { Command } from 'commander';
import type { Connection } from './client.ts';

/** Options that every command of a running mesh has. */
export interface GlobalOptions extends Connection {
  readonly namespace?: string;
  readonly output?: string;
}

export function globalOptions<Options extends GlobalOptions>(command: Command): Options {
  return command.optsWithGlobals<Options>();
}

/** --server, --token: where the control plane is. */
export function withConnection(command: Command): Command {
  return command
    .option('--server <url>', 'control plane (else LATEEN_SERVER, else .lateen/credentials.json)')
    .option('--token <token>', 'bearer token (else LATEEN_TOKEN, else .lateen/credentials.json)');
}
