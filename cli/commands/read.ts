/** get, history, rollback, proxy-status: what a running mesh says. */
import type { Command } from 'commander';
import type { Resource } from '../../src/model/api.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { Pointer, ProxyScope } from '../../src/model/snapshot.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseTarget, resourcePath } from '../kinds.ts';
import { diagnosticText, note, outputFormat, printData, table } from '../output.ts';
import { watch } from '../watch.ts';

interface GetOptions extends GlobalOptions {
  readonly selector?: string;
  readonly allNamespaces?: boolean;
  readonly watch?: boolean;
}

interface Page {
  readonly items: readonly Resource[];
  readonly continue?: string;
}

function age(timestamp: string | undefined): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(timestamp ?? '')) / 1000));
  if (Number.isNaN(seconds)) return '<unknown>';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

async function listAll(path: string, options: GetOptions): Promise<Resource[]> {
  const items: Resource[] = [];
  let after: string | undefined;
  do {
    const { body } = await call<Page>(resolveCredentials(options), path, {
      query: { labelSelector: options.selector, continue: after },
    });
    items.push(...body.items);
    after = body.continue;
  } while (after !== undefined);
  return items;
}

/** As people wrote it: apiVersion first. */
function toDocument({ group, version, ...rest }: Resource): unknown {
  return { apiVersion: group === '' ? version : `${group}/${version}`, ...rest };
}

async function get(first: string, second: string | undefined, options: GetOptions): Promise<void> {
  const { kind, name } = await parseTarget(first, second);
  const namespace = options.allNamespaces === true ? undefined : (options.namespace ?? 'default');
  const path = resourcePath(kind, name === undefined ? namespace : (namespace ?? 'default'), name);
  const items =
    name === undefined
      ? await listAll(path, options)
      : [(await call<Resource>(resolveCredentials(options), path)).body];
  if (options.output === 'name') {
    for (const { metadata } of items) process.stdout.write(`${kind.plural}/${metadata.name}\n`);
    return;
  }
  const format = outputFormat(options.output === 'wide' ? undefined : options.output);
  if (format !== 'text') {
    const documents = items.map((item) => toDocument(item));
    printData(name === undefined ? { kind: 'List', items: documents } : documents[0], format);
    return;
  }
  const isWide = options.output === 'wide';
  const rows = items.map(({ metadata, spec }) => [
    metadata.namespace,
    metadata.name,
    String(metadata.generation ?? ''),
    age(metadata.creationTimestamp),
    ...(isWide ? [summary(spec), labelText(metadata.labels)] : []),
  ]);
  const header = ['NAMESPACE', 'NAME', 'GENERATION', 'AGE', ...(isWide ? ['HOSTS', 'LABELS'] : [])];
  process.stdout.write(table(header, rows));
  if (options.watch === true)
    await watch(resolveCredentials(options), {
      group: kind.group === '' ? 'core' : kind.group,
      kind: kind.kind,
      namespace,
      labelSelector: options.selector,
    });
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? '<none>' : pairs.join(',');
}

/** What a resource is about: its hosts, its host, or nothing. */
function summary(spec: unknown): string {
  const { hosts, host } = (spec ?? {}) as { readonly hosts?: unknown; readonly host?: unknown };
  return Array.isArray(hosts) ? hosts.join(',') : typeof host === 'string' ? host : '';
}

interface HistoryPage {
  readonly items: readonly {
    readonly revision: number;
    readonly atMs: number;
    readonly actor: string;
    readonly message: string;
    readonly changes: readonly { readonly op: string; readonly key: string }[];
  }[];
}

async function history(options: GlobalOptions): Promise<void> {
  const { body } = await call<HistoryPage>(resolveCredentials(options), '/v1/history');
  const rows = body.items.map((entry) => [
    String(entry.revision),
    new Date(entry.atMs).toISOString(),
    entry.actor,
    entry.changes
      .map(({ op, key }) => `${op === 'put' ? '+' : '-'}${key.split('/').slice(2).join('/')}`)
      .join(' ')
      .slice(0, 80),
    entry.message,
  ]);
  process.stdout.write(table(['REVISION', 'TIME', 'ACTOR', 'CHANGES', 'MESSAGE'], rows));
}

async function rollback(text: string, options: GlobalOptions): Promise<void> {
  const revision = Number(text);
  if (!Number.isInteger(revision))
    throw new CommandError(`"${text}" is no revision, see lateen history`, 2);
  const { body } = await call<{ readonly revision: number }>(
    resolveCredentials(options),
    '/v1/rollback',
    { method: 'POST', body: JSON.stringify({ revision }) },
  );
  process.stdout.write(`as of ${revision}, now revision ${body.revision}\n`);
}

interface ProxyPage {
  readonly items: readonly {
    readonly scope: ProxyScope;
    readonly state: string;
    readonly current: Pointer;
    readonly runs?: string;
    readonly instances: number;
    readonly programmed: number;
    readonly runtimes: Readonly<Record<string, number>>;
    readonly diagnostics: readonly Diagnostic[];
  }[];
}

/** Those that have instances; `-`: there are none, or they don't say. */
function runtimesText(runtimes: Readonly<Record<string, number>>): string {
  const present = Object.entries(runtimes).filter(([, count]) => count > 0);
  return present.length === 0 ? '-' : present.map(([runtime]) => runtime).join(',');
}

async function proxyStatus(options: GlobalOptions): Promise<void> {
  const { body } = await call<ProxyPage>(resolveCredentials(options), '/v1/proxies');
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const rows = body.items.map(
    ({ scope, state, current, runs, instances, programmed, runtimes }) => [
      `${scope.namespace}/${scope.name}`,
      scope.type,
      runtimesText(runtimes),
      state,
      `${programmed} of ${instances}`,
      current.snapshot.slice(0, 12),
      runs?.slice(0, 12) ?? '',
    ],
  );
  process.stdout.write(
    table(['PROXY', 'TYPE', 'RUNTIME', 'STATE', 'PROGRAMMED', 'CURRENT', 'RUNS'], rows),
  );
  for (const { diagnostics } of body.items)
    for (const finding of diagnostics) note(diagnosticText(finding));
}

export function registerRead(program: Command): void {
  withConnection(program.command('get <kind> [name]'))
    .description('show resources')
    .option('-n, --namespace <name>', 'namespace', 'default')
    .option('-A, --all-namespaces', 'of every namespace')
    .option('-l, --selector <labels>', 'a=b,c!=d,e')
    .option('-o, --output <format>', 'yaml, json, name, wide')
    .option('-w, --watch', 'then go on with what changes')
    .action(
      async (first: string, second: string | undefined, _options: unknown, command: Command) =>
        get(first, second, globalOptions(command)),
    );
  withConnection(program.command('history'))
    .description('what changed, when and by whom')
    .action(async (_options: unknown, command: Command) => history(globalOptions(command)));
  withConnection(program.command('rollback <revision>'))
    .description('restore the configuration as of a revision; a new revision')
    .action(async (revision: string, _options: unknown, command: Command) =>
      rollback(revision, globalOptions(command)),
    );
  withConnection(program.command('proxy-status'))
    .description('which proxy runs which version')
    .option('-o, --output <format>', 'yaml or json')
    .action(async (_options: unknown, command: Command) => proxyStatus(globalOptions(command)));
}
