/** apply, delete, diff: documents to the control plane. */
import type { Command } from 'commander';
import colors from 'picocolors';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { SourceText } from '../../src/model/config.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { parseTarget, resourcePath } from '../kinds.ts';
import { diagnosticText, note } from '../output.ts';

interface ApplyOptions extends GlobalOptions {
  readonly filename?: readonly string[];
  readonly dryRun?: boolean;
  readonly validate?: string;
  readonly message?: string;
}

interface ApplyAnswer {
  readonly revision: number;
  readonly results: readonly { readonly resource: string; readonly result: string }[];
  readonly diagnostics: readonly Diagnostic[];
}

interface DiffAnswer {
  readonly changes: readonly {
    readonly key: string;
    readonly op: string;
    readonly changes: readonly {
      readonly path: string;
      readonly before?: unknown;
      readonly after?: unknown;
    }[];
  }[];
}

/** What the API takes: the files by name, so that its findings point into them. */
function sourcesBody(sources: readonly SourceText[]): string {
  return JSON.stringify({ sources });
}

async function sourcesOf(options: ApplyOptions): Promise<SourceText[]> {
  if (options.filename === undefined)
    throw new CommandError('-f is required: a file, a folder, - or a URL', 2);
  return readSources(options.filename);
}

async function apply(options: ApplyOptions): Promise<void> {
  const sources = await sourcesOf(options);
  const { body } = await call<ApplyAnswer>(resolveCredentials(options), '/v1/apply', {
    method: 'POST',
    body: sourcesBody(sources),
    query: {
      namespace: options.namespace,
      dryRun: options.dryRun === true ? 'true' : undefined,
      fieldValidation: options.validate === 'warn' ? 'Warn' : undefined,
      message: options.message,
    },
  });
  for (const finding of body.diagnostics) note(diagnosticText(finding));
  const suffix = options.dryRun === true ? ' (dry run)' : '';
  for (const { resource, result } of body.results)
    process.stdout.write(`${resource} ${result}${suffix}\n`);
}

async function remove(
  target: readonly [string | undefined, string | undefined],
  options: ApplyOptions,
): Promise<void> {
  const credentials = resolveCredentials(options);
  if (options.filename !== undefined) {
    const { body } = await call<ApplyAnswer>(credentials, '/v1/apply', {
      method: 'DELETE',
      body: sourcesBody(await sourcesOf(options)),
      query: { namespace: options.namespace },
    });
    for (const { resource, result } of body.results)
      process.stdout.write(`${resource} ${result}\n`);
    return;
  }
  const [first, second] = target;
  if (first === undefined)
    throw new CommandError('name what to delete: a kind and a name, or -f', 2);
  const { kind, name } = await parseTarget(first, second);
  if (name === undefined) throw new CommandError(`which ${kind.plural}? give a name`, 2);
  const namespace = options.namespace ?? 'default';
  await call(credentials, resourcePath(kind, namespace, name), { method: 'DELETE' });
  process.stdout.write(`${kind.kind} ${namespace}/${name} deleted\n`);
}

/** Exit code 1 when something would change, as kubectl diff. */
async function diff(options: ApplyOptions): Promise<void> {
  const { body } = await call<DiffAnswer>(resolveCredentials(options), '/v1/diff', {
    method: 'POST',
    body: sourcesBody(await sourcesOf(options)),
    query: { namespace: options.namespace },
  });
  const changed = body.changes.filter((change) => change.op !== 'unchanged');
  for (const change of changed) {
    process.stdout.write(`${change.op} ${change.key}\n`);
    for (const { path, before, after } of change.changes) {
      if (before !== undefined)
        process.stdout.write(colors.red(`  - ${path}: ${JSON.stringify(before)}\n`));
      if (after !== undefined)
        process.stdout.write(colors.green(`  + ${path}: ${JSON.stringify(after)}\n`));
    }
  }
  process.exitCode = changed.length > 0 ? 1 : 0;
}

export function registerApply(program: Command): void {
  withConnection(program.command('apply'))
    .option('-n, --namespace <name>', 'for resources that name none')
    .description('create or change resources from YAML or JSON, as one transaction')
    .option(
      '-f, --filename <name>',
      'file, folder, - for standard input, or URL (repeatable)',
      collect,
    )
    .option('--dry-run', 'validate and show what would happen')
    .option('--validate <mode>', 'strict or warn: what unknown fields are', 'strict')
    .option('-m, --message <text>', 'why, kept in the history')
    .action(async (_options: unknown, command: Command) => apply(globalOptions(command)));
  withConnection(program.command('delete [kind] [name]'))
    .option('-n, --namespace <name>', "the resource's namespace")
    .description('delete a resource, or those that files name')
    .option('-f, --filename <name>', 'file, folder, - or URL (repeatable)', collect)
    .action(
      async (
        kind: string | undefined,
        name: string | undefined,
        _options: unknown,
        command: Command,
      ) => remove([kind, name], globalOptions(command)),
    );
  withConnection(program.command('diff'))
    .option('-n, --namespace <name>', 'for resources that name none')
    .description('show what apply would change; exit code 1 when it would')
    .option('-f, --filename <name>', 'file, folder, - or URL (repeatable)', collect)
    .action(async (_options: unknown, command: Command) => diff(globalOptions(command)));
}
