import type { Diagnostic } from '../src/model/diagnostic.ts';

/** Ends the command with this exit code and text on stderr. */
export class CommandError extends Error {
  readonly exitCode: number;
  readonly findings: readonly Diagnostic[];

  constructor(message: string, exitCode = 1, findings: readonly Diagnostic[] = []) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.findings = findings;
  }
}
