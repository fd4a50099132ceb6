/** up: the whole mesh on this machine, with Bookinfo behind it. */
import type { Command } from 'commander';
import { CommandError } from '../errors.ts';
import { note } from '../output.ts';
import type { RunningMesh } from '../up/mesh.ts';
import { untilStopped } from '../until-stopped.ts';

interface UpOptions {
  readonly gatewayPort: string;
  readonly controlPort: string;
  readonly dataDir: string;
  readonly traffic?: string;
}

function portOf(text: string, name: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new CommandError(`${name} ${text}: want a port, 1 to 65535`, 2);
  return port;
}

function welcome(mesh: RunningMesh): string {
  return `
Lateen is up.

  Bookinfo     ${mesh.gatewayUrl}/productpage
  control      ${mesh.controlUrl}   (token in ${mesh.credentialsFile}; lateen finds it by itself)

Try next:

  npx lateen apply -f examples/bookinfo/mesh/virtual-service-reviews-90-10.yaml
  npx lateen proxy-status
  npx lateen explain --as gateway -n istio-system -l istio=ingressgateway http://localhost:8080/productpage

Ctrl-C stops it; what was applied is kept in ${mesh.dataDir}.
`;
}

async function up(options: UpOptions): Promise<void> {
  const rate = options.traffic === undefined ? 0 : Number(options.traffic);
  if (Number.isNaN(rate) || rate < 0 || rate > 1000)
    throw new CommandError(`--traffic ${options.traffic}: want requests a second, up to 1000`, 2);
  // Nothing else needs workerd and the demo.
  const [{ startMesh }, { startTraffic }] = await Promise.all([
    import('../up/mesh.ts'),
    import('../../examples/bookinfo/traffic.ts'),
  ]);
  const mesh = await startMesh({
    gatewayPort: portOf(options.gatewayPort, '--gateway-port'),
    controlPort: portOf(options.controlPort, '--control-port'),
    dataDir: options.dataDir,
    progress: note,
  });
  process.stdout.write(welcome(mesh));
  const stopping = new AbortController();
  const traffic =
    rate > 0
      ? startTraffic({ url: mesh.gatewayUrl, requestsPerSecond: rate, signal: stopping.signal })
      : undefined;
  await untilStopped();
  stopping.abort();
  await traffic;
  await mesh.close();
}

export function registerUp(program: Command): void {
  program
    .command('up')
    .description('run the mesh on this machine: control plane, gateways, and the Bookinfo demo')
    .option('--gateway-port <port>', 'port of the ingress gateway', '8080')
    .option('--control-port <port>', 'port of the control plane', '8090')
    .option('--data-dir <folder>', 'where state is kept', '.lateen')
    .option('--traffic <rate>', 'requests a second of the built-in traffic generator')
    .action(async (options: UpOptions) => up(options));
}
