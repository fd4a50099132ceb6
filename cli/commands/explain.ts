/** explain: a request in, the decision and why out; the same engine that carries traffic. */
import type { Command } from 'commander';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { ExplainedStep, Explanation } from '../../src/simulate/explain.ts';
import type { SimulatedRequest } from '../../src/simulate/index.ts';
import { requestFaults } from '../../src/simulate/request.ts';
import { call, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect, readSources } from '../files.ts';
import { outputFormat, printData } from '../output.ts';

interface ExplainOptions extends GlobalOptions {
  readonly filename?: readonly string[];
  readonly request?: string;
  readonly as: string;
  readonly namespace: string;
  readonly name: string;
  readonly label?: readonly string[];
  readonly service?: string;
  readonly method: string;
  readonly header?: readonly string[];
  readonly port?: string;
  readonly principal?: string;
  readonly proof?: string;
  readonly ip?: string;
  readonly random?: string;
  readonly proxy?: string;
}

const SCOPES: Readonly<Record<string, ProxyScope['type']>> = {
  gateway: 'gateway',
  outbound: 'sidecar-outbound',
  inbound: 'sidecar-inbound',
};

function pairs(list: readonly string[] | undefined, separator: string): [string, string][] {
  return (list ?? []).map((text) => {
    const at = text.indexOf(separator);
    if (at < 1) throw new CommandError(`"${text}": want name${separator}value`, 2);
    return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  });
}

/** A single word is a service of the proxy's namespace. */
const fullHost = (service: string, { namespace }: ExplainOptions): string =>
  service.includes('.') ? service : `${service}.${namespace}.svc.cluster.local`;

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
    ...(options.service === undefined ? {} : { service: fullHost(options.service, options) }),
  };
}

const PROOFS = ['credential', 'platform', 'none'] as const;

function proofOf(text: string): (typeof PROOFS)[number] {
  const found = PROOFS.find((proof) => proof === text);
  if (found === undefined)
    throw new CommandError(`--proof ${text}: want ${PROOFS.slice(0, -1).join(', ')} or none`, 2);
  return found;
}

function requestOf(url: string, options: ExplainOptions): SimulatedRequest {
  const match = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(url);
  if (match === null) throw new CommandError(`"${url}" is no http or https URL`, 2);
  const [, schemeText = '', authority = '', target = ''] = match;
  if (authority.includes('@'))
    throw new CommandError(`"${url}" has user information: give it as -H "authorization: ..."`, 2);
  const isHost = ([name]: readonly [string, string]): boolean => name.toLowerCase() === 'host';
  const headers = pairs(options.header, ':');
  const given = options.port ?? /:(\d+)$/.exec(authority)?.[1];
  const peer = {
    ...(options.ip === undefined ? {} : { ip: options.ip }),
    ...(options.principal === undefined ? {} : { principal: options.principal }),
    ...(options.proof === undefined ? {} : { proof: proofOf(options.proof) }),
  };
  return {
    method: options.method,
    scheme: schemeText.toLowerCase() === 'https' ? 'https' : 'http',
    host: headers.find(isHost)?.[1] ?? authority,
    path: target.startsWith('/') ? target : `/${target}`,
    headers: headers.filter((pair) => !isHost(pair)),
    peer,
    ...(given === undefined ? {} : { port: Number(given) }),
  };
}

const MARKS: Readonly<Record<ExplainedStep['outcome'], string>> = {
  matched: '+',
  chosen: '=',
  passed: '+',
  'not-matched': '-',
  denied: 'x',
};

/** Over gRPC the status of HTTP says nothing. */
function statusText({ status, responseHeaders }: Explanation): string {
  const grpc = responseHeaders?.['grpc-status'];
  return grpc === undefined ? String(status ?? '') : `${status ?? ''} grpc-status ${grpc}`;
}

function lines(decision: Explanation): string[] {
  const trace = decision.trace.map((step) => {
    const { origin, place } = step;
    const where = place === undefined ? '' : ` at ${place.file}:${place.line}:${place.column}`;
    const from = origin === undefined ? '' : `   (${origin.resource} ${origin.path}${where})`;
    return `${MARKS[step.outcome]} ${step.step.padEnd(12)} ${step.name}${step.detail === undefined ? '' : `: ${step.detail}`}${from}`;
  });
  if (decision.outcome !== 'forward')
    return [
      ...trace,
      [decision.outcome, statusText(decision), decision.flags, decision.details]
        .filter((part) => part !== '')
        .join(' '),
      ...decision.advice.map((text) => `to change: ${text}`),
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

/** A request of a case file's words, or a URL with options. */
async function askedRequest(
  url: string | undefined,
  options: ExplainOptions,
): Promise<SimulatedRequest> {
  if (options.request === undefined) {
    if (url === undefined) throw new CommandError('name a URL, or give --request', 2);
    return requestOf(url, options);
  }
  const text = options.request.startsWith('{')
    ? options.request
    : ((await readSources([options.request]))[0]?.text ?? '');
  try {
    // A fault of its fields is found with those of a URL.
    return JSON.parse(text) as SimulatedRequest;
  } catch {
    throw new CommandError('--request is no JSON: want {"host": "shop", "path": "/", ...}', 2);
  }
}

/** What a proxy runs now, or what the stored configuration gives one that is described. */
function askedProxy(options: ExplainOptions): object {
  if (options.proxy === undefined) return { scope: scopeOf(options) };
  const [namespace = '', name = '', ...rest] = options.proxy.split('/');
  if (namespace === '' || name === '' || rest.length > 0)
    throw new CommandError(`--proxy ${options.proxy}: want namespace/name`, 2);
  return { proxy: { namespace, name } };
}

async function explainFiles(
  names: readonly string[],
  options: ExplainOptions,
  request: SimulatedRequest,
): Promise<Explanation> {
  const { explain, kinds, placesOf, policyCompilers, readConfig } =
    await import('../from-files.ts');
  const admission = readConfig(await readSources(names), { kinds });
  const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
  if (errors.length > 0)
    throw new CommandError('the files have faults, nothing was decided', 1, errors);
  return explain({
    resources: admission.resources.map(({ resource }) => resource),
    placeOf: placesOf(admission.resources),
    scope: scopeOf(options),
    request,
    policyCompilers,
    nowMs: Date.now(),
    ...(options.random === undefined ? {} : { random: Number(options.random) }),
  });
}

function requireSound(request: SimulatedRequest): void {
  const [first] = requestFaults(request);
  if (first !== undefined)
    throw new CommandError(`request ${first.path.join('.')}: ${first.message}`, 2);
}

async function run(url: string | undefined, options: ExplainOptions): Promise<void> {
  if (options.filename !== undefined && options.proxy !== undefined)
    throw new CommandError('--proxy asks a running mesh: give it or -f, not both', 2);
  const request = await askedRequest(url, options);
  requireSound(request);
  const random = options.random === undefined ? undefined : Number(options.random);
  if (random !== undefined && !(random >= 0 && random < 1))
    throw new CommandError(`--random ${options.random}: want a number from 0 to below 1`, 2);
  const decision =
    options.filename === undefined
      ? (
          await call<Explanation>(resolveCredentials(options), '/v1/explain', {
            method: 'POST',
            body: JSON.stringify({ ...askedProxy(options), request, random }),
          })
        ).body
      : await explainFiles(options.filename, options, request);
  const format = outputFormat(options.output);
  if (format === 'json' || format === 'yaml') printData(decision, format);
  else for (const line of lines(decision)) process.stdout.write(`${line}\n`);
}

export function registerExplain(program: Command): void {
  withConnection(program.command('explain [url]'))
    .description(
      'which route, policy and endpoint a request meets, and why; by files with -f, else by the running mesh',
    )
    .option('-f, --filename <name>', 'file, folder, - or URL (repeatable)', collect)
    .option(
      '--request <json>',
      'the request as JSON, or a file with it: host, path, method, headers, peer',
    )
    .option(
      '--as <proxy>',
      'gateway, outbound (a client in the mesh) or inbound (before a service)',
      'outbound',
    )
    .option('--proxy <namespace/name>', 'by what this proxy runs now; see proxy-status')
    .option('-n, --namespace <name>', "the proxy's namespace", 'default')
    .option('--name <name>', "the proxy's name", 'explain')
    .option('-l, --label <key=value>', "label of the proxy's workload (repeatable)", collect)
    .option('--service <host>', 'with --as inbound: the host of the service')
    .option('-X, --method <method>', 'method', 'GET')
    .option('-H, --header <name:value>', 'header (repeatable)', collect)
    .option('--port <number>', 'listener port, where it differs from the URL')
    .option('--principal <identity>', 'identity of the caller, as cluster.local/ns/a/sa/b')
    .option(
      '--proof <kind>',
      'as where no mutual TLS is visible: credential, platform or none proves the caller',
    )
    .option('--ip <address>', 'address of the caller')
    .option('--random <draw>', 'the draw in [0,1) that decides splits and percentages')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (url: string | undefined, _options: unknown, command: Command) =>
      run(url, globalOptions(command)),
    );
}
