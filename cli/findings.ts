/** What analyze and harden find, as it is asked for. */
import type { Diagnostic, Level } from '../src/model/diagnostic.ts';
import type { GlobalOptions } from './context.ts';
import { CommandError } from './errors.ts';
import { diagnosticText, note, outputFormat, printData } from './output.ts';
import { toSarif } from './sarif.ts';
import { VERSION } from './version.ts';

export interface FindingsOptions extends GlobalOptions {
  /** The level from which on the exit code is 1. */
  readonly failOn: string;
}

export const RANK: Readonly<Record<Level, number>> = { info: 0, warning: 1, error: 2 };

/** @param find asked once the options are known to be good @throws CommandError */
export async function reportFindings(
  { failOn, output }: FindingsOptions,
  find: () => Promise<readonly Diagnostic[]>,
): Promise<void> {
  if (failOn !== 'error' && failOn !== 'warning' && failOn !== 'info')
    throw new CommandError(`--fail-on ${failOn}: want error, warning or info`, 2);
  const isSarif = output === 'sarif';
  const format = outputFormat(isSarif ? undefined : output);
  const found = await find();
  if (isSarif) printData(toSarif(found, VERSION), 'json');
  else if (format === 'json' || format === 'yaml') printData(found, format);
  else for (const finding of found) process.stdout.write(`${diagnosticText(finding)}\n`);
  const counts = (['error', 'warning', 'info'] as const).map(
    (level) => `${found.filter((finding) => finding.level === level).length} ${level}`,
  );
  note(counts.join(', '));
  if (found.some((finding) => RANK[finding.level] >= RANK[failOn])) process.exitCode = 1;
}
