/** lateen: the command line. */
import { Command, CommanderError } from 'commander';
import { CommandError } from './errors.ts';
import { diagnosticText, note } from './output.ts';
import { VERSION } from './version.ts';

type Register = (program: Command) => void;

/** Commands that stay and carry traffic: they don't load what the others need. */
const lean: Readonly<Record<string, () => Promise<Register>>> = {
  sidecar: async () => (await import('./commands/sidecar.ts')).registerSidecar,
  gateway: async () => (await import('./commands/gateway.ts')).registerGateway,
};

async function createProgram(name: string): Promise<Command> {
  const program = new Command('lateen')
    .description('a service mesh for places without Kubernetes')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError();
  const load = Object.hasOwn(lean, name) ? lean[name] : undefined;
  const register =
    load === undefined ? (await import('./all-commands.ts')).registerAll : await load();
  register(program);
  return program;
}

/** Runs one command; sets the exit code: 0 done, 1 refused or found, 2 misused. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const program = await createProgram(argv[2] ?? '');
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    if (!(error instanceof CommandError)) throw error;
    for (const finding of error.findings) note(diagnosticText(finding));
    note(`error: ${error.message}`);
    process.exitCode = error.exitCode;
  }
}
