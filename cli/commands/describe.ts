/** describe: one resource with its conditions, findings and history. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { Resource } from '../../src/model/api.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { parseTarget, resourcePath } from '../kinds.ts';
import { diagnosticText, outputFormat, printData, table } from '../output.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

interface Described extends Resource {
  readonly status: {
    readonly conditions: readonly Condition[];
    readonly listeners?: readonly Part<{
      readonly name: string;
      readonly attachedRoutes: number;
    }>[];
    readonly parents?: readonly Part<{ readonly parentRef: Reference }>[];
    readonly ancestors?: readonly Part<{ readonly ancestorRef: Reference }>[];
  };
}

type Part<Of> = Of & { readonly conditions: readonly Condition[] };

interface Reference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
}

const refText = ({ kind = 'Gateway', namespace, name, sectionName }: Reference): string =>
  `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}${sectionName === undefined ? '' : `:${sectionName}`}`;

/** Conditions with what they are of: the resource itself, a listener, a parent, an ancestor. */
function placedConditions({ status }: Described): [of: string, condition: Condition][] {
  const under = (of: string, conditions: readonly Condition[]): [string, Condition][] =>
    conditions.map((condition) => [of, condition]);
  return [
    ...under('', status.conditions),
    ...(status.listeners ?? []).flatMap(({ name, attachedRoutes, conditions }) =>
      under(`listener ${name} (${attachedRoutes} routes)`, conditions),
    ),
    ...(status.parents ?? []).flatMap(({ parentRef, conditions }) =>
      under(refText(parentRef), conditions),
    ),
    ...(status.ancestors ?? []).flatMap(({ ancestorRef, conditions }) =>
      under(refText(ancestorRef), conditions),
    ),
  ];
}

interface Change {
  readonly revision: number;
  readonly atMs: number;
  readonly actor: string;
  readonly message: string;
}

const HISTORY = '5';
const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, '  ');

function show(
  resource: Described,
  found: readonly Diagnostic[],
  history: readonly Change[],
): string {
  const { metadata, group, version, kind } = resource;
  const labels = Object.entries(metadata.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const conditions = placedConditions(resource).map(([of, condition]) => [
    of,
    condition.type,
    condition.status,
    condition.reason,
    condition.lastTransitionTime,
    condition.message,
  ]);
  const changes = history.map(({ revision, atMs, actor, message }) => [
    String(revision),
    new Date(atMs).toISOString(),
    actor,
    message,
  ]);
  return [
    `Name:        ${metadata.name}`,
    `Namespace:   ${metadata.namespace}`,
    `Kind:        ${kind} (${group === '' ? version : `${group}/${version}`})`,
    `Labels:      ${labels.length === 0 ? '<none>' : labels.join(', ')}`,
    `Created:     ${metadata.creationTimestamp ?? ''}`,
    `Generation:  ${metadata.generation ?? ''}`,
    'Spec:',
    indent(stringify(resource.spec ?? resource.data ?? {}, { lineWidth: 0 }).trimEnd()),
    'Conditions:',
    indent(table(['OF', 'TYPE', 'STATUS', 'REASON', 'SINCE', 'MESSAGE'], conditions).trimEnd()),
    `Findings:    ${found.length === 0 ? '<none>' : ''}`,
    ...found.map((finding) => indent(diagnosticText(finding))),
    'History:',
    indent(table(['REVISION', 'TIME', 'ACTOR', 'MESSAGE'], changes).trimEnd()),
    '',
  ].join('\n');
}

async function describe(
  target: readonly [string, string | undefined],
  options: GlobalOptions,
): Promise<void> {
  const { kind, name } = parseTarget(...target);
  if (name === undefined) throw new CommandError(`which ${kind.plural}? give a name`, 2);
  const namespace = options.namespace ?? 'default';
  const credentials = resolveCredentials(options);
  const path = resourcePath(kind, namespace, name);
  const { body: resource } = await call<Described>(credentials, path);
  const key = [kind.group === '' ? 'core' : kind.group, kind.kind, namespace, name].join('/');
  const [analysis, history] = await Promise.all([
    call<{ readonly items: readonly Diagnostic[] }>(credentials, '/v1/analyze', {
      query: { resource: `${kind.kind} ${namespace}/${name}` },
    }),
    call<{ readonly items: readonly Change[] }>(credentials, '/v1/history', {
      query: { resource: key, limit: HISTORY },
    }),
  ]);
  const format = outputFormat(options.output);
  if (format === 'text')
    process.stdout.write(show(resource, analysis.body.items, history.body.items));
  else
    printData({ ...resource, findings: analysis.body.items, history: history.body.items }, format);
}

export function registerDescribe(program: Command): void {
  withConnection(program.command('describe <kind> [name]'))
    .description('one resource with its conditions, findings and history')
    .option('-n, --namespace <name>', 'namespace', 'default')
    .option('-o, --output <format>', 'yaml or json')
    .action(
      async (first: string, second: string | undefined, _options: unknown, command: Command) =>
        describe([first, second], globalOptions(command)),
    );
}
