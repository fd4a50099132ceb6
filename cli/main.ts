/** lateen: the command line. */
import { Command, CommanderError } from 'commander';
import { registerAnalyze } from './commands/analyze.ts';
import { registerApply } from './commands/apply.ts';
import { registerAuth } from './commands/auth.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerControl } from './commands/control.ts';
import { registerDescribe } from './commands/describe.ts';
import { registerExplain } from './commands/explain.ts';
import { registerRead } from './commands/read.ts';
import { registerUp } from './commands/up.ts';
import { CommandError } from './errors.ts';
import { diagnosticText, note } from './output.ts';
import { VERSION } from './version.ts';

function createProgram(): Command {
  const program = new Command('lateen')
    .description('a service mesh for places without Kubernetes')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError();
  registerUp(program);
  registerControl(program);
  registerApply(program);
  registerRead(program);
  registerDescribe(program);
  registerAnalyze(program);
  registerExplain(program);
  registerAuth(program);
  registerCompletion(program);
  return program;
}

/** Runs one command; sets the exit code: 0 done, 1 refused or found, 2 misused. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(argv);
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
