/** analyze: everything that admission and compile say of files, without a control plane. */
import type { Command } from 'commander';
import { analyse } from '../../src/config/analyse/index.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { Admission } from '../../src/model/config.ts';
import type { Diagnostic, Level } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { diagnosticText, note, outputFormat, printData } from '../output.ts';

interface AnalyzeOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  readonly output?: string;
  readonly failOn: string;
}

const RANK: Readonly<Record<Level, number>> = { info: 0, warning: 1, error: 2 };

/** Parts of admitted resources that no runtime of this version enforces. */
function notEnforced(admission: Admission): Diagnostic[] {
  return admission.resources.flatMap(({ resource, placeOf }) => {
    const kind = kinds.find(
      (other) => other.kind === resource.kind && other.group === resource.group,
    );
    return (kind?.notEnforced?.(resource) ?? []).map(({ path, reason }): Diagnostic => {
      const place = placeOf(path);
      return {
        code: 'LAT0103',
        level: 'info',
        message: `not enforced: ${reason}`,
        path,
        resource: `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`,
        ...(place === undefined ? {} : { place }),
      };
    });
  });
}

/** What compile finds for a client in each namespace that holds a resource. */
function compileFindings(admission: Admission): Diagnostic[] {
  const resources = admission.resources.map(({ resource }) => resource);
  const namespaces = [...new Set(resources.map((resource) => resource.metadata.namespace))];
  const scopes = namespaces.map((namespace): ProxyScope => ({
    type: 'sidecar-outbound',
    namespace,
    name: 'analyze',
    labels: {},
  }));
  const found = scopes.flatMap(
    (scope) => compile({ resources, scope }, policyCompilers).diagnostics,
  );
  const places = new Map(
    admission.resources.map(({ resource, placeOf }) => [
      `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`,
      placeOf,
    ]),
  );
  const unique = new Map(found.map((finding) => [JSON.stringify(finding), finding]));
  return [...unique.values()].map((finding) => {
    const place = places.get(finding.resource ?? '')?.(finding.path ?? '');
    return place === undefined ? finding : { ...finding, place };
  });
}

async function analyzeFiles(options: AnalyzeOptions): Promise<void> {
  const failOn = options.failOn;
  if (failOn !== 'error' && failOn !== 'warning' && failOn !== 'info')
    throw new CommandError(`--fail-on ${failOn}: want error, warning or info`, 2);
  const admission = readConfig(await readSources(options.filename), {
    kinds,
    ...(options.namespace === undefined ? {} : { defaultNamespace: options.namespace }),
  });
  const findings = [
    ...admission.diagnostics,
    ...analyse(admission.resources),
    ...notEnforced(admission),
    ...compileFindings(admission),
  ];
  const format = outputFormat(options.output);
  if (format === 'json' || format === 'yaml') printData(findings, format);
  else for (const finding of findings) process.stdout.write(`${diagnosticText(finding)}\n`);
  const counts = (['error', 'warning', 'info'] as const).map(
    (level) => `${findings.filter((finding) => finding.level === level).length} ${level}`,
  );
  note(`${admission.resources.length} resources admitted: ${counts.join(', ')}`);
  if (findings.some((finding) => RANK[finding.level] >= RANK[failOn])) process.exitCode = 1;
}

export function registerAnalyze(program: Command): void {
  program
    .command('analyze')
    .description(
      'find faults in files: what admission refuses, what would not work or is not enforced',
    )
    .requiredOption(
      '-f, --filename <name>',
      'file, folder, - for standard input, or URL (repeatable)',
      collect,
    )
    .option('-n, --namespace <name>', 'for resources that name none', 'default')
    .option('-o, --output <format>', 'json or yaml')
    .option('--fail-on <level>', 'exit code 1 from this level on: error, warning, info', 'error')
    .action(async (options: AnalyzeOptions) => analyzeFiles(options));
}
