/** Starts control plane, gateways and demo; used by `lateen up` and by tests. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bookinfoResources, startBookinfo } from '../../examples/bookinfo/bookinfo.ts';
import { bundleWorker } from '../../workers/build.ts';
import { startLocalWorkers } from '../../workers/local.ts';
import type { LocalWorkers } from '../../workers/local.ts';
import { keepAuthority } from '../ca/embedded.ts';
import { authoritySecrets } from '../ca/secret.ts';
import { CREDENTIALS_FILE, call } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { readSources } from '../files.ts';
import { keepPolling, planGateways } from './gateways.ts';
import { isFree } from './ports.ts';

export interface MeshOptions {
  readonly gatewayPort: number;
  readonly controlPort: number;
  readonly dataDir: string;
  progress(text: string): void;
}

export interface RunningMesh {
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly dataDir: string;
  readonly credentialsFile: string;
  readonly credentials: Credentials;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Said before anything starts: a port in use is the most common reason why it doesn't. */
async function requireFree(port: number, flag: string): Promise<void> {
  if (!(await isFree(port)))
    throw new CommandError(
      `port ${port} is in use: stop what listens there, or give ${flag} another`,
    );
}

/** The administrator's token is made once and kept readable to its owner alone. */
function credentialsIn(dataDir: string, server: string): Credentials {
  const file = join(dataDir, CREDENTIALS_FILE);
  mkdirSync(dataDir, { recursive: true });
  const token = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Credentials).token
    : `lat_${randomBytes(24).toString('hex')}`;
  const credentials = { server, token };
  writeFileSync(file, JSON.stringify(credentials), { mode: 0o600 });
  return credentials;
}

async function startControl(options: MeshOptions, credentials: Credentials): Promise<LocalWorkers> {
  const { secret, before } = authoritySecrets(options.dataDir);
  return startLocalWorkers({
    persistPath: join(resolve(options.dataDir), 'state'),
    workers: [
      {
        name: 'control',
        script: await bundleWorker('control/worker.ts'),
        vars: {
          BOOTSTRAP_HASH: createHash('sha256').update(credentials.token).digest('hex'),
          POINTER_MAX_AGE_MS: '0',
          ALLOW_PRIVATE_KEYS: 'true',
          ALLOWED_HOSTS: '127.0.0.1,localhost,[::1]',
          CA_SECRET: secret,
          ...(before === undefined ? {} : { CA_SECRET_OLD: before }),
        },
        objects: { CONTROL: 'ControlObject' },
        namespaces: ['BLOBS'],
        sockets: [{ port: options.controlPort }],
      },
    ],
  });
}

/** The demo's services at today's ports; routes only on the first start, so that what people applied stays. */
async function applyDemo(credentials: Credentials, resources: string): Promise<void> {
  const { body } = await call<{ readonly items: readonly unknown[] }>(
    credentials,
    '/v1/resources/networking.istio.io/Gateway',
  );
  const files = body.items.length > 0 ? [] : ['bookinfo-gateway.yaml', 'destination-rule-all.yaml'];
  const sources = await readSources(
    files.map((file) => `${root}examples/bookinfo/mesh/${file}`),
  ).catch(() => []);
  await call(credentials, '/v1/apply', {
    method: 'POST',
    query: { message: 'lateen up' },
    body: JSON.stringify({ sources: [{ file: 'bookinfo', text: resources }, ...sources] }),
  });
}

export async function startMesh(options: MeshOptions): Promise<RunningMesh> {
  await requireFree(options.gatewayPort, '--gateway-port');
  await requireFree(options.controlPort, '--control-port');
  const controlUrl = `http://127.0.0.1:${options.controlPort}`;
  const credentials = credentialsIn(options.dataDir, controlUrl);
  options.progress('starting Bookinfo and the control plane ...');
  const [bookinfo, control] = await Promise.all([
    startBookinfo(),
    startControl(options, credentials),
  ]);
  const endKeeping = await keepAuthority({
    credentials,
    dataDir: options.dataDir,
    say: (line) => options.progress(line),
  });
  options.progress('applying the demo, starting the gateways ...');
  const plan = await planGateways(options, bookinfo.services);
  await applyDemo(
    credentials,
    bookinfoResources(bookinfo.services, (service) => plan.inboundPort(service)),
  );
  const gateways = await startLocalWorkers({
    workers: await plan.workers(credentials),
  });
  bookinfo.setOutbound(plan.outbound);
  const stopPolling = keepPolling(plan.polled);
  return {
    gatewayUrl: `http://127.0.0.1:${options.gatewayPort}`,
    controlUrl,
    dataDir: options.dataDir,
    credentialsFile: join(options.dataDir, CREDENTIALS_FILE),
    credentials,
    close: async () => {
      stopPolling();
      endKeeping();
      await gateways.close();
      await control.close();
      await bookinfo.close();
    },
  };
}
