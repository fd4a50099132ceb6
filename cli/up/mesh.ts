/** Starts control plane, gateways and demo; used by `lateen up` and by tests. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bookinfoResources, startBookinfo } from '../../examples/bookinfo/bookinfo.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { bundleWorker } from '../../workers/build.ts';
import { startLocalWorkers } from '../../workers/local.ts';
import type { LocalWorker, LocalWorkers } from '../../workers/local.ts';
import { CREDENTIALS_FILE, call } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { readSources } from '../files.ts';
import { freePort, isFree } from './ports.ts';

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

/** Services that call others: each gets a gateway worker of its own for its calls. */
const CALLERS = ['productpage', 'reviews'] as const;
const LISTENER_PORT = 8080;
const PROXY_TOKENS_FILE = 'proxy-tokens.json';
const root = fileURLToPath(new URL('../..', import.meta.url));

const ingressScope: ProxyScope = {
  type: 'gateway',
  namespace: 'istio-system',
  name: 'ingressgateway',
  labels: { istio: 'ingressgateway' },
};

function callerScopes(name: string): { inbound: ProxyScope; outbound: ProxyScope } {
  const common = {
    namespace: 'default',
    name,
    labels: { app: name },
    service: `${name}.default.svc.cluster.local`,
  };
  return {
    inbound: { type: 'sidecar-inbound', ...common },
    outbound: { type: 'sidecar-outbound', ...common },
  };
}

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
        },
        objects: { CONTROL: 'ControlObject' },
        namespaces: ['BLOBS'],
        sockets: [{ port: options.controlPort }],
      },
    ],
  });
}

/** Tokens of the proxies of earlier starts, so that each start adds none. */
function savedTokens(dataDir: string): Readonly<Record<string, string>> {
  const file = join(dataDir, PROXY_TOKENS_FILE);
  return existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>>)
    : {};
}

async function isKnown(server: string, token: string, scope: ProxyScope): Promise<boolean> {
  const path = `/v1/proxies/${scope.type}/${scope.namespace}/${scope.name}/pointer`;
  const response = await fetch(server + path, { headers: { authorization: `Bearer ${token}` } });
  await response.body?.cancel();
  return response.ok;
}

async function proxyToken(
  options: MeshOptions,
  credentials: Credentials,
  of: { readonly name: string; readonly scopes: readonly [ProxyScope, ...ProxyScope[]] },
): Promise<string> {
  const { name, scopes } = of;
  const saved = savedTokens(options.dataDir);
  const known = saved[name];
  if (known !== undefined && (await isKnown(credentials.server, known, scopes[0]))) return known;
  const token = await createProxyToken(credentials, name, scopes);
  const text = JSON.stringify({ ...saved, [name]: token });
  writeFileSync(join(options.dataDir, PROXY_TOKENS_FILE), text, { mode: 0o600 });
  return token;
}

async function createProxyToken(
  credentials: Credentials,
  name: string,
  scopes: readonly ProxyScope[],
): Promise<string> {
  const { body } = await call<{ readonly token: string }>(credentials, '/v1/tokens', {
    method: 'POST',
    body: JSON.stringify({ name, role: 'proxy', scopes }),
  });
  return body.token;
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

async function gatewayWorkers(
  options: MeshOptions,
  credentials: Credentials,
): Promise<{ workers: LocalWorker[]; outbound: Record<string, string> }> {
  const script = await bundleWorker('workers/gateway.ts');
  const common = {
    CONTROL_URL: credentials.server,
    SOFT_TTL_MS: '500',
    WAIT_TTL_MS: '1000',
    ADMIN_TOKEN: credentials.token,
  };
  const workers: LocalWorker[] = [
    {
      name: 'ingress',
      script,
      vars: {
        ...common,
        PROXY_TOKEN: await proxyToken(options, credentials, {
          name: 'ingressgateway',
          scopes: [ingressScope],
        }),
        SCOPE: JSON.stringify(ingressScope),
        LISTEN_PORT: String(LISTENER_PORT),
      },
      sockets: [{ port: options.gatewayPort }],
    },
  ];
  const outbound: Record<string, string> = {};
  for (const name of CALLERS) {
    const scopes = callerScopes(name);
    const port = await freePort();
    outbound[name] = `http://127.0.0.1:${port}`;
    workers.push({
      name,
      script,
      vars: {
        ...common,
        PROXY_TOKEN: await proxyToken(options, credentials, {
          name,
          scopes: [scopes.outbound, scopes.inbound],
        }),
        SCOPE: JSON.stringify(scopes.inbound),
        OUTBOUND_SCOPE: JSON.stringify(scopes.outbound),
      },
      sockets: [{ port, entrypoint: 'Outbound' }],
    });
  }
  return { workers, outbound };
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
  options.progress('applying the demo, starting the gateways ...');
  await applyDemo(credentials, bookinfoResources(bookinfo.services));
  const { workers, outbound } = await gatewayWorkers(options, credentials);
  const gateways = await startLocalWorkers({ workers });
  bookinfo.setOutbound(outbound);
  return {
    gatewayUrl: `http://127.0.0.1:${options.gatewayPort}`,
    controlUrl,
    dataDir: options.dataDir,
    credentialsFile: join(options.dataDir, CREDENTIALS_FILE),
    credentials,
    close: async () => {
      await gateways.close();
      await control.close();
      await bookinfo.close();
    },
  };
}
