/** harden: what is weaker than it could be, in files or in the running mesh and its control plane. */
import type { Command } from 'commander';
import { diagnosticOf } from '../../src/config/harden/codes.ts';
import type { Diagnostic, Level } from '../../src/model/diagnostic.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { diagnosticText, note, outputFormat, printData } from '../output.ts';
import { toSarif } from '../sarif.ts';
import { VERSION } from '../version.ts';

interface HardenOptions extends GlobalOptions {
  readonly filename?: readonly string[];
  readonly failOn: string;
}

const RANK: Readonly<Record<Level, number>> = { info: 0, warning: 1, error: 2 };

async function ofFiles(names: readonly string[]): Promise<readonly Diagnostic[]> {
  const { harden, kinds, readConfig } = await import('../from-files.ts');
  const { resources, diagnostics } = readConfig(await readSources(names), { kinds });
  // What isn't admitted isn't in force: it says nothing of how hard the rest is.
  const refused = diagnostics.filter(({ level }) => level === 'error');
  if (refused.length > 0)
    throw new CommandError(`${refused.length} faults: mend them first`, 2, refused);
  return harden(resources, { kinds, nowMs: Date.now() });
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/;

/** What only who asks can tell: how it reaches the control plane. */
function ofConnection(server: string): Diagnostic[] {
  const { protocol, hostname } = new URL(server);
  return protocol === 'https:' || LOOPBACK.test(hostname)
    ? []
    : [
        diagnosticOf({
          code: 'LAT0740',
          message: `the control plane answers at ${server} without TLS`,
        }),
      ];
}

async function ofMesh(options: HardenOptions): Promise<readonly Diagnostic[]> {
  const credentials = resolveCredentials(options);
  const { body } = await call<{ readonly items: readonly Diagnostic[] }>(credentials, '/v1/harden');
  return [...ofConnection(credentials.server), ...body.items];
}

async function run(options: HardenOptions): Promise<void> {
  const { failOn, filename } = options;
  if (failOn !== 'error' && failOn !== 'warning' && failOn !== 'info')
    throw new CommandError(`--fail-on ${failOn}: want error, warning or info`, 2);
  const isSarif = options.output === 'sarif';
  const format = outputFormat(isSarif ? undefined : options.output);
  const all = filename === undefined ? await ofMesh(options) : await ofFiles(filename);
  const found = all.toSorted((a, b) => RANK[b.level] - RANK[a.level]);
  if (isSarif) printData(toSarif(found, VERSION), 'json');
  else if (format === 'json' || format === 'yaml') printData(found, format);
  else for (const finding of found) process.stdout.write(`${diagnosticText(finding)}\n`);
  const counts = (['error', 'warning', 'info'] as const).map(
    (level) => `${found.filter((finding) => finding.level === level).length} ${level}`,
  );
  note(counts.join(', '));
  if (found.some((finding) => RANK[finding.level] >= RANK[failOn])) process.exitCode = 1;
}

export function registerHarden(program: Command): void {
  withConnection(program.command('harden'))
    .description(
      'find what is weaker than it could be, with remedies: plaintext, wildcards, weak keys, open tokens; in files with -f, else in the running mesh',
    )
    .option(
      '-f, --filename <name>',
      'file, folder, - for standard input, or URL (repeatable)',
      collect,
    )
    .option('-o, --output <format>', 'json, yaml or sarif')
    .option('--fail-on <level>', 'exit code 1 from this level on: error, warning, info', 'error')
    .action(async (_options: unknown, command: Command) => run(globalOptions(command)));
}
