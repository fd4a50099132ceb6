/** describe: one resource with its conditions, findings and history; of a host or Service what touches it. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { Resource } from '../../src/model/api.ts';
import type { HostDescription } from '../../src/config/describe/model.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import { call, resolveCredentials } from '../client.ts';
import type { DescribeOptions } from '../describe-host.ts';
import { describedHost, hostInFiles, hostInMesh } from '../describe-host.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { hostText } from '../host-text.ts';
import { parseTarget, resourcePath } from '../kinds.ts';
import type { Target } from '../kinds.ts';
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

interface Stored {
  readonly resource: Described;
  readonly findings: readonly Diagnostic[];
  readonly history: readonly Change[];
}

const HISTORY = '5';
const NOT_FOUND = 404;
const CLUSTER_DOMAIN = 'cluster.local';
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

/** The parts of a stored resource; undefined where there is none and `isOptional`. */
async function storedResource(
  { kind, name }: Target,
  options: DescribeOptions,
  isOptional: boolean,
): Promise<Stored | undefined> {
  if (name === undefined) throw new CommandError(`which ${kind.plural}? give a name`, 2);
  const namespace = options.namespace ?? 'default';
  const credentials = resolveCredentials(options);
  const path = resourcePath(kind, namespace, name);
  const { body: resource, status } = await call<Described>(credentials, path, {
    accept: isOptional ? [NOT_FOUND] : [],
  });
  if (status === NOT_FOUND) return undefined;
  const key = [kind.group === '' ? 'core' : kind.group, kind.kind, namespace, name].join('/');
  const [analysis, history] = await Promise.all([
    call<{ readonly items: readonly Diagnostic[] }>(credentials, '/v1/analyze', {
      query: { resource: `${kind.kind} ${namespace}/${name}` },
    }),
    call<{ readonly items: readonly Change[] }>(credentials, '/v1/history', {
      query: { resource: key, limit: HISTORY },
    }),
  ]);
  return { resource, findings: analysis.body.items, history: history.body.items };
}

async function describeResource(target: Target, options: DescribeOptions): Promise<void> {
  const stored = await storedResource(target, options, false);
  if (stored === undefined) return;
  const { resource, findings, history } = stored;
  const format = outputFormat(options.output);
  if (format === 'text') process.stdout.write(show(resource, findings, history));
  else printData({ ...resource, findings, history }, format);
}

/** The Service where one is stored, and what touches its host; a host of a ServiceEntry has the latter alone. */
async function describeService(target: Target, options: DescribeOptions): Promise<void> {
  const { name } = target;
  if (name === undefined) throw new CommandError('which service? give a name', 2);
  if (options.filename !== undefined) {
    printHost(await hostInFiles(name, options), options);
    return;
  }
  const stored = await storedResource(target, options, true);
  if (stored === undefined) {
    printHost(await describedHost(name, options), options);
    return;
  }
  const { resource, findings, history } = stored;
  const { namespace } = resource.metadata;
  const mesh = await hostInMesh(`${name}.${namespace}.svc.${CLUSTER_DOMAIN}`, {
    ...options,
    namespace,
  });
  const format = outputFormat(options.output);
  if (format === 'text')
    process.stdout.write(
      `${show(resource, findings, history)}\n${mesh === undefined ? '' : hostText(mesh)}`,
    );
  else printData({ ...resource, findings, history, mesh }, format);
}

function printHost(description: HostDescription, options: DescribeOptions): void {
  const format = outputFormat(options.output);
  if (format === 'text') process.stdout.write(hostText(description));
  else printData(description, format);
}

async function describe(
  first: string,
  second: string | undefined,
  options: DescribeOptions,
): Promise<void> {
  const [word = '', ...rest] = first.split('/');
  if (['host', 'hosts'].includes(word.toLowerCase())) {
    const host = rest.length > 0 ? rest.join('/') : second;
    if (host === undefined) throw new CommandError('which host? give a name', 2);
    printHost(await describedHost(host, options), options);
    return;
  }
  const target = await parseTarget(first, second);
  if (target.kind.kind === 'Service' && target.kind.group === '') {
    await describeService(target, options);
    return;
  }
  if (options.filename !== undefined)
    throw new CommandError('-f is for describe host and describe service', 2);
  await describeResource(target, options);
}

export function registerDescribe(program: Command): void {
  withConnection(program.command('describe <kind> [name]'))
    .description(
      'one resource with its conditions, findings and history; `host NAME` and `service NAME`: everything that touches it',
    )
    .option(
      '-f, --filename <name>',
      'with host and service: by files instead of the running mesh (repeatable)',
      collect,
    )
    .option('-n, --namespace <name>', 'namespace (else default)')
    .option('-o, --output <format>', 'yaml or json')
    .action(
      async (first: string, second: string | undefined, _options: unknown, command: Command) =>
        describe(first, second, globalOptions(command)),
    );
}
