/** sidecar: the proxy beside one service, in front of it and for its calls. */
import type { Command } from 'commander';
import type { FrontPlan, MeshNode } from '../../node-adapter/process/index.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { globalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import {
  fullHost,
  parseAddress,
  parseInbound,
  parseLabels,
  parseServicePort,
  parseTime,
} from '../node/addresses.ts';
import type { Address } from '../node/addresses.ts';
import { sharedOf, withShared } from '../node/options.ts';
import type { SharedOptions } from '../node/options.ts';
import { note } from '../output.ts';

interface SidecarOptions extends SharedOptions {
  readonly service: string;
  readonly app: string;
  readonly inbound?: readonly string[];
  readonly proxy: string | false;
  readonly port?: readonly string[];
  readonly wait?: string | true;
}

const INBOUND = '0.0.0.0:15006';
const PROXY = '127.0.0.1:15001';
const WAIT = '60s';

function scopesOf(options: SidecarOptions): readonly ProxyScope[] {
  const { namespace, service } = options;
  const [app = service] = service.split('.');
  const common = {
    namespace,
    name: options.name ?? app,
    labels: { app, ...parseLabels(options.label ?? []) },
    service: fullHost(service, namespace),
  };
  return [
    { type: 'sidecar-inbound', ...common },
    { type: 'sidecar-outbound', ...common },
  ];
}

function outboundPlans(options: SidecarOptions): readonly FrontPlan[] {
  const ports = (options.port ?? []).map((text): FrontPlan => ({
    kind: 'service',
    ...parseServicePort(text, options.namespace),
  }));
  return options.proxy === false
    ? ports
    : [{ kind: 'proxy', ...parseAddress(options.proxy, '--proxy') }, ...ports];
}

/** Of an inbound port without a word on it: the port by which the service's policies name the workload's. */
const UNSAID = -1;

function inboundPlans(options: SidecarOptions): readonly FrontPlan[] {
  return (options.inbound ?? [INBOUND]).map((text) => {
    const { host, port, listenerPort = UNSAID } = parseInbound(text);
    return { kind: 'inbound', host, port, listenerPort };
  });
}

/** The application's own port if the service declares it, else the only one that is declared. */
function resolveInbound(plan: FrontPlan, node: MeshNode, app: Address): FrontPlan {
  if (plan.kind !== 'inbound') return plan;
  const inbound = node.dump().scopes.find(({ scope }) => scope.type === 'sidecar-inbound');
  const declared = (inbound?.snapshot?.listeners ?? [])
    .map(({ port }) => port)
    .filter((port) => port !== 0);
  const [only] = declared;
  const wanted =
    plan.listenerPort !== UNSAID
      ? plan.listenerPort
      : !declared.includes(app.port) && declared.length === 1 && only !== undefined
        ? only
        : app.port;
  if (!declared.includes(wanted))
    note(
      `warning: the configuration declares no port ${wanted} of ${inbound?.scope.service}: calls pass without its routes; a Service or ServiceEntry with this target port changes that`,
    );
  return { ...plan, listenerPort: wanted };
}

async function sidecar(command: readonly string[], options: SidecarOptions): Promise<void> {
  // Other commands need not load a proxy to be listed beside it.
  const { runNode } = await import('../node/run.ts');
  const { identity, maxConnections, ...shared } = sharedOf(options);
  const scopes = scopesOf(options);
  const app = parseAddress(options.app, '--app');
  if (app.port === 0) throw new CommandError('--app: want the port that it listens on', 2);
  const timeout = options.wait === true ? WAIT : options.wait;
  await runNode({
    kind: 'sidecar',
    name: scopes[0]?.name ?? options.service,
    ...shared,
    setup: {
      scopes,
      app,
      accessLog: shared.accessLog,
      ...(identity === undefined ? {} : { identity }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
    },
    source: options,
    first: outboundPlans(options),
    behind: inboundPlans(options),
    resolve: (plan, node) => resolveInbound(plan, node, app),
    ...(command.length === 0
      ? {}
      : {
          command,
          cannotRestart:
            'the application is a child of this process and would end with it: restart both',
        }),
    ...(timeout === undefined
      ? {}
      : { waitFor: { at: app, timeoutMs: parseTime(timeout, '--wait') } }),
  });
}

export function registerSidecar(program: Command): void {
  withShared(program.command('sidecar [command...]'), '1')
    .description(
      'run the proxy beside a service; with a command behind `--`, that as well, and end with it',
    )
    .requiredOption('--service <host>', 'the service that is served, as the mesh knows it')
    .requiredOption('--app <[host:]port>', 'where the application listens')
    .option(
      '--inbound <[host:]port[=port]>',
      `where calls to the service come in; behind = the port that its policies name (repeatable, default ${INBOUND})`,
      collect,
    )
    .option('--proxy <[host:]port>', 'HTTP proxy for what the application calls', PROXY)
    .option('--no-proxy', 'none')
    .option(
      '--port <[host:]port=service:port>',
      'one service at a port of its own, for an application that only knows a base URL (repeatable)',
      collect,
    )
    .option('--name <name>', "the workload's name (default: the service's)")
    .option('--wait [time]', `the application is waited for, at most so long (${WAIT})`)
    .action(async (command: readonly string[], _options: unknown, self: Command) =>
      sidecar(command, globalOptions(self)),
    );
}
