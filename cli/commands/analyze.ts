/** analyze: everything that admission, analysis and compile say, of files or of a running mesh. */
import type { Command } from 'commander';
import type { Diagnostic, Level } from '../../src/model/diagnostic.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { diagnosticText, note, outputFormat, printData } from '../output.ts';
import { toSarif } from '../sarif.ts';
import { VERSION } from '../version.ts';

interface AnalyzeOptions extends GlobalOptions {
  readonly filename?: readonly string[];
  readonly failOn: string;
}

const RANK: Readonly<Record<Level, number>> = { info: 0, warning: 1, error: 2 };

async function findInFiles(
  names: readonly string[],
  options: AnalyzeOptions,
): Promise<readonly Diagnostic[]> {
  const { findings, kinds, policyCompilers, readConfig } = await import('../from-files.ts');
  const admission = readConfig(await readSources(names), {
    kinds,
    ...(options.namespace === undefined ? {} : { defaultNamespace: options.namespace }),
  });
  const { length } = admission.resources;
  note(`${length} ${length === 1 ? 'resource' : 'resources'} admitted`);
  return [...admission.diagnostics, ...findings(admission.resources, { kinds, policyCompilers })];
}

async function findInMesh(options: AnalyzeOptions): Promise<readonly Diagnostic[]> {
  const { body } = await call<{ readonly items: readonly Diagnostic[] }>(
    resolveCredentials(options),
    '/v1/analyze',
    { query: { namespace: options.namespace } },
  );
  return body.items;
}

async function analyze(options: AnalyzeOptions): Promise<void> {
  const failOn = options.failOn;
  if (failOn !== 'error' && failOn !== 'warning' && failOn !== 'info')
    throw new CommandError(`--fail-on ${failOn}: want error, warning or info`, 2);
  const found =
    options.filename === undefined
      ? await findInMesh(options)
      : await findInFiles(options.filename, options);
  const isSarif = options.output === 'sarif';
  const format = outputFormat(isSarif ? undefined : options.output);
  if (isSarif) printData(toSarif(found, VERSION), 'json');
  else if (format === 'json' || format === 'yaml') printData(found, format);
  else for (const finding of found) process.stdout.write(`${diagnosticText(finding)}\n`);
  const counts = (['error', 'warning', 'info'] as const).map(
    (level) => `${found.filter((finding) => finding.level === level).length} ${level}`,
  );
  note(counts.join(', '));
  if (found.some((finding) => RANK[finding.level] >= RANK[failOn])) process.exitCode = 1;
}

export function registerAnalyze(program: Command): void {
  withConnection(program.command('analyze'))
    .description(
      'find faults: what admission refuses, what would not work or is not enforced; in files with -f, else in the running mesh',
    )
    .option(
      '-f, --filename <name>',
      'file, folder, - for standard input, or URL (repeatable)',
      collect,
    )
    .option(
      '-n, --namespace <name>',
      'with -f: for resources that name none; else: only of this one',
    )
    .option('-o, --output <format>', 'json, yaml or sarif')
    .option('--fail-on <level>', 'exit code 1 from this level on: error, warning, info', 'error')
    .action(async (_options: unknown, command: Command) => analyze(globalOptions(command)));
}
