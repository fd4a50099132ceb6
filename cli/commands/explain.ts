/** explain: a request in, the decision and why out; the same engine that carries traffic. */
import type { Command } from 'commander';
import { createFakeHost } from '../../src/host/fake-host.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { TraceStep } from '../../src/model/exchange.ts';
import type { KeyOverlay, Origin, ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { filters } from '../../src/presets/node.ts';
import { link, simulate } from '../../src/simulate/index.ts';
import type { SimulatedDecision, SimulatedRequest } from '../../src/simulate/index.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { outputFormat, printData } from '../output.ts';

interface ExplainOptions {
  readonly filename: readonly string[];
  readonly as: string;
  readonly namespace: string;
  readonly name: string;
  readonly label?: readonly string[];
  readonly service?: string;
  readonly method: string;
  readonly header?: readonly string[];
  readonly port?: string;
  readonly principal?: string;
  readonly ip?: string;
  readonly random?: string;
  readonly output?: string;
}

const SCOPES: Readonly<Record<string, ProxyScope['type']>> = {
  gateway: 'gateway',
  outbound: 'sidecar-outbound',
  inbound: 'sidecar-inbound',
};
const NO_KEYS: KeyOverlay = { version: 'none', sets: {} };

function pairs(list: readonly string[] | undefined, separator: string): [string, string][] {
  return (list ?? []).map((text) => {
    const at = text.indexOf(separator);
    if (at < 1) throw new CommandError(`"${text}": want name${separator}value`, 2);
    return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  });
}

function scopeOf(options: ExplainOptions): ProxyScope {
  const type = SCOPES[options.as];
  if (type === undefined)
    throw new CommandError(`--as ${options.as}: want gateway, outbound or inbound`, 2);
  if (type === 'sidecar-inbound' && options.service === undefined)
    throw new CommandError(
      '--as inbound needs --service, the host of the service that is served',
      2,
    );
  return {
    type,
    namespace: options.namespace,
    name: options.name,
    labels: Object.fromEntries(pairs(options.label, '=')),
    ...(options.service === undefined ? {} : { service: options.service }),
  };
}

function requestOf(url: string, options: ExplainOptions): SimulatedRequest {
  const match = /^(https?):\/\/([^/?#]+)(.*)$/i.exec(url);
  if (match === null) throw new CommandError(`"${url}" is no http or https URL`, 2);
  const scheme = match[1]?.toLowerCase() === 'https' ? 'https' : 'http';
  const host = match[2] ?? '';
  const given = options.port ?? /:(\d+)$/.exec(host)?.[1];
  const peer = {
    ...(options.ip === undefined ? {} : { ip: options.ip }),
    ...(options.principal === undefined ? {} : { principal: options.principal }),
  };
  return {
    method: options.method,
    scheme,
    host,
    path: match[3] === '' ? '/' : (match[3] ?? '/'),
    headers: pairs(options.header, ':'),
    peer,
    ...(given === undefined ? {} : { port: Number(given) }),
  };
}

const MARKS: Readonly<Record<TraceStep['outcome'], string>> = {
  matched: '+',
  chosen: '=',
  passed: '+',
  'not-matched': '-',
  denied: 'x',
};

function lines(decision: SimulatedDecision, origins: readonly Origin[]): string[] {
  const trace = (decision.trace ?? []).map((step) => {
    const origin = step.origin === undefined ? undefined : origins[step.origin];
    const from = origin === undefined ? '' : `   (${origin.resource} ${origin.path})`;
    return `${MARKS[step.outcome]} ${step.step.padEnd(12)} ${step.name}${step.detail === undefined ? '' : `: ${step.detail}`}${from}`;
  });
  if (decision.outcome !== 'forward')
    return [
      ...trace,
      `${decision.outcome} ${decision.status ?? ''} ${decision.flags} ${decision.details}`.trim(),
      ...advice(decision),
    ];
  const to =
    decision.service === undefined
      ? `passthrough to ${decision.authority}`
      : `${decision.service}:${decision.port}${decision.subset === undefined ? '' : ` subset ${decision.subset}`}`;
  const retries =
    decision.retries === undefined || decision.retries.attempts === 0
      ? 'no retries'
      : `${decision.retries.attempts} retries on ${decision.retries.retryOn?.join(', ')}`;
  return [
    ...trace,
    `forward to ${to}`,
    `  as ${decision.authority}${decision.path}`,
    `  timeout ${decision.timeout}, ${retries}`,
  ];
}

/** What to change, for the refusals that people meet most. */
function advice(decision: SimulatedDecision): string[] {
  const byFlag: Readonly<Record<string, string>> = {
    NR: 'no listener, host or route took the request: compare the host and port with the servers and hosts above',
    NC: 'the route names a service, port or subset that does not exist: add the ServiceEntry, Service or DestinationRule subset',
    UH: 'the service has no endpoint: add a WorkloadEntry or endpoints that the subset selects',
  };
  const [flag = ''] = decision.flags.split(',');
  if (decision.status === 403)
    return [
      'to change: an AuthorizationPolicy refuses (x above), or none of those that ALLOW matches',
    ];
  const text = byFlag[flag];
  return text === undefined ? [] : [`to change: ${text}`];
}

async function explain(url: string, options: ExplainOptions): Promise<void> {
  const admission = readConfig(await readSources(options.filename), { kinds });
  const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
  if (errors.length > 0)
    throw new CommandError('the files have faults, nothing was decided', 1, errors);
  const resources = admission.resources.map(({ resource }) => resource);
  const compiled = compile({ resources, scope: scopeOf(options) }, policyCompilers);
  const draw = options.random === undefined ? {} : { fallback: Number(options.random) };
  const host = createFakeHost({ nowMs: Date.now(), sleepless: true, ...draw });
  const linked = link(compiled.named, compiled.endpoints, NO_KEYS, { host, filters });
  const decision = await simulate({ linked, host, request: requestOf(url, options), trace: true });
  const format = outputFormat(options.output);
  if (format === 'json' || format === 'yaml') printData(decision, format);
  else
    for (const line of lines(decision, compiled.named.snapshot.origins))
      process.stdout.write(`${line}\n`);
}

export function registerExplain(program: Command): void {
  program
    .command('explain <url>')
    .description('which route, policy and endpoint a request meets, and why')
    .requiredOption('-f, --filename <name>', 'file, folder, - or URL (repeatable)', collect)
    .option(
      '--as <proxy>',
      'gateway, outbound (a client in the mesh) or inbound (before a service)',
      'outbound',
    )
    .option('-n, --namespace <name>', "the proxy's namespace", 'default')
    .option('--name <name>', "the proxy's name", 'explain')
    .option('-l, --label <key=value>', "label of the proxy's workload (repeatable)", collect)
    .option('--service <host>', 'with --as inbound: the host of the service')
    .option('-X, --method <method>', 'method', 'GET')
    .option('-H, --header <name:value>', 'header (repeatable)', collect)
    .option('--port <number>', 'listener port, where it differs from the URL')
    .option('--principal <identity>', 'identity of the caller, as cluster.local/ns/a/sa/b')
    .option('--ip <address>', 'address of the caller')
    .option('--random <draw>', 'the draw in [0,1) that decides splits and percentages')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (url: string, options: ExplainOptions) => explain(url, options));
}
