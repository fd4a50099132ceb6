/** gateway: the proxy in front of many services, on the ports that its configuration says. */
import type { Command } from 'commander';
import { globalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { collect } from '../files.ts';
import { parseLabels, parseMap } from '../node/addresses.ts';
import { sharedOf, withShared } from '../node/options.ts';
import type { SharedOptions } from '../node/options.ts';

interface GatewayOptions extends SharedOptions {
  readonly name: string;
  readonly listen: string;
  readonly map?: readonly string[];
  readonly mapOffset: string;
}

const MAX_OFFSET = 64_000;

async function gateway(options: GatewayOptions): Promise<void> {
  // Other commands need not load a proxy to be listed beside it.
  const { runNode } = await import('../node/run.ts');
  const { identity, maxConnections, ...shared } = sharedOf(options);
  const offset = Number(options.mapOffset);
  if (!Number.isInteger(offset) || offset < 0 || offset > MAX_OFFSET)
    throw new CommandError(`--map-offset ${options.mapOffset}: want 0 to ${MAX_OFFSET}`, 2);
  const labels = options.label === undefined ? { istio: options.name } : parseLabels(options.label);
  await runNode({
    kind: 'gateway',
    name: options.name,
    ...shared,
    setup: {
      scopes: [{ type: 'gateway', namespace: options.namespace, name: options.name, labels }],
      accessLog: shared.accessLog,
      ...(identity === undefined ? {} : { identity }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
    },
    source: options,
    first: [],
    behind: [{ kind: 'gateway', host: options.listen, map: parseMap(options.map ?? []), offset }],
  });
}

export function registerGateway(program: Command): void {
  withShared(program.command('gateway'), 'auto')
    .description('run an ingress or egress gateway on the ports that its configuration says')
    .option('--name <name>', "the gateway's name", 'ingressgateway')
    .option('--listen <host>', 'address to listen on', '0.0.0.0')
    .option('--map <port=port>', 'listen on another port, as 80=8080 (repeatable)', collect)
    .option('--map-offset <number>', 'added to every port below 1024', '0')
    .action(async (_options: unknown, self: Command) => gateway(globalOptions(self)));
}
