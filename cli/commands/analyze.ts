/** analyze: everything that admission, analysis and compile say, of files or of a running mesh. */
import type { Command } from 'commander';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { call, resolveCredentials } from '../client.ts';
import { globalOptions, withConnection } from '../context.ts';
import { collect, readSources } from '../files.ts';
import type { FindingsOptions } from '../findings.ts';
import { reportFindings } from '../findings.ts';
import { note } from '../output.ts';

interface AnalyzeOptions extends FindingsOptions {
  readonly filename?: readonly string[];
}

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

const analyze = (options: AnalyzeOptions): Promise<void> =>
  reportFindings(options, () =>
    options.filename === undefined ? findInMesh(options) : findInFiles(options.filename, options),
  );

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
