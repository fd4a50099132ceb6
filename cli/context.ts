import type { Command } from 'commander';
import type { Connection } from './client.ts';

/** Options that every command has. */
export interface GlobalOptions extends Connection {
  readonly namespace?: string;
  readonly output?: string;
}

export function globalOptions(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** Commander's collector for options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
