/** The gateway workers of a local mesh: one for ingress, one before each workload, which carries its calls out too. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { accountName, workloadName } from '../../examples/bookinfo/bookinfo.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { bundleWorker } from '../../workers/build.ts';
import type { LocalWorker } from '../../workers/local.ts';
import { call } from '../client.ts';
import type { Credentials } from '../client.ts';
import { freePort } from './ports.ts';

export interface Workload {
  readonly name: string;
  readonly version: string;
  readonly port: number;
}

export interface GatewayPlan {
  /** Base URLs for a workload's calls, by its name. */
  readonly outbound: Readonly<Record<string, string>>;
  /** Base URLs of all directions. */
  readonly polled: readonly string[];
  /** Where others reach a workload. */
  inboundPort(workload: Workload): number;
  /** The workers, with a token of its own for each. */
  workers(credentials: Credentials): Promise<readonly LocalWorker[]>;
}

export interface PlanOptions {
  readonly gatewayPort: number;
  readonly dataDir: string;
}

const LISTENER_PORT = 8080;
const SERVICE_PORT = 9080;
const PROXY_TOKENS_FILE = 'proxy-tokens.json';
const POLL_MS = 500;
/** As Istio's own gateway is named in policies. */
const INGRESS_ACCOUNT = 'istio-ingressgateway-service-account';

const ingressScope: ProxyScope = {
  type: 'gateway',
  namespace: 'istio-system',
  name: 'ingressgateway',
  labels: { istio: 'ingressgateway' },
};

function scopesOf(workload: Workload): { inbound: ProxyScope; outbound: ProxyScope } {
  const common = {
    namespace: 'default',
    name: workloadName(workload),
    labels: { app: workload.name, version: workload.version },
    service: `${workload.name}.default.svc.cluster.local`,
  };
  return {
    inbound: { type: 'sidecar-inbound', ...common },
    outbound: { type: 'sidecar-outbound', ...common },
  };
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

interface ProxyOf {
  readonly name: string;
  /** Whom its workload's calls are from, as it shows to others. */
  readonly serviceAccount: string;
  readonly scopes: readonly [ProxyScope, ...ProxyScope[]];
}

async function proxyToken(
  options: PlanOptions,
  credentials: Credentials,
  of: ProxyOf,
): Promise<string> {
  const { name, serviceAccount, scopes } = of;
  const saved = savedTokens(options.dataDir);
  // One that was made for another account doesn't speak for this one.
  const key = `${name} as ${serviceAccount}`;
  const known = saved[key];
  if (known !== undefined && (await isKnown(credentials.server, known, scopes[0]))) return known;
  const token = await createProxyToken(credentials, of);
  const text = JSON.stringify({ ...saved, [key]: token });
  writeFileSync(join(options.dataDir, PROXY_TOKENS_FILE), text, { mode: 0o600 });
  return token;
}

async function createProxyToken(
  credentials: Credentials,
  { name, serviceAccount, scopes }: ProxyOf,
): Promise<string> {
  const { body } = await call<{ readonly token: string }>(credentials, '/v1/tokens', {
    method: 'POST',
    body: JSON.stringify({ name, role: 'proxy', serviceAccount, scopes }),
  });
  return body.token;
}

/** What every gateway on this machine is told. */
function commonVars(credentials: Credentials): Readonly<Record<string, string>> {
  return {
    CONTROL_URL: credentials.server,
    SOFT_TTL_MS: '500',
    WAIT_TTL_MS: '1000',
    ADMIN_TOKEN: credentials.token,
  };
}

interface Ports {
  readonly inbound: number;
  readonly outbound: number;
}

async function ingressWorker(options: PlanOptions, credentials: Credentials): Promise<LocalWorker> {
  const of: ProxyOf = {
    name: 'ingressgateway',
    serviceAccount: INGRESS_ACCOUNT,
    scopes: [ingressScope],
  };
  return {
    name: 'ingress',
    script: await bundleWorker('workers/gateway.ts'),
    vars: {
      ...commonVars(credentials),
      PROXY_TOKEN: await proxyToken(options, credentials, of),
      SCOPE: JSON.stringify(ingressScope),
      LISTEN_PORT: String(LISTENER_PORT),
    },
    sockets: [{ port: options.gatewayPort }],
  };
}

async function workloadWorker(
  options: PlanOptions,
  credentials: Credentials,
  { workload, ports }: { readonly workload: Workload; readonly ports: Ports },
): Promise<LocalWorker> {
  const name = workloadName(workload);
  const { inbound, outbound } = scopesOf(workload);
  const serviceAccount = accountName(workload);
  const of: ProxyOf = { name, serviceAccount, scopes: [outbound, inbound] };
  return {
    name,
    script: await bundleWorker('workers/gateway.ts'),
    vars: {
      ...commonVars(credentials),
      PROXY_TOKEN: await proxyToken(options, credentials, of),
      SCOPE: JSON.stringify(inbound),
      OUTBOUND_SCOPE: JSON.stringify(outbound),
      LISTEN_PORT: String(SERVICE_PORT),
      APP_URL: `http://127.0.0.1:${workload.port}`,
    },
    sockets: [
      { port: ports.inbound, entrypoint: 'Inbound' },
      { port: ports.outbound, entrypoint: 'Outbound' },
    ],
  };
}

/** Ports first: the demo's resources name them before any gateway starts. */
export async function planGateways(
  options: PlanOptions,
  workloads: readonly Workload[],
): Promise<GatewayPlan> {
  const plan = new Map<string, { readonly workload: Workload; readonly ports: Ports }>();
  for (const workload of workloads)
    plan.set(workloadName(workload), {
      workload,
      ports: { inbound: await freePort(), outbound: await freePort() },
    });
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  return {
    outbound: Object.fromEntries([...plan].map(([name, { ports }]) => [name, url(ports.outbound)])),
    polled: [
      url(options.gatewayPort),
      ...[...plan.values()].flatMap(({ ports }) => [url(ports.inbound), url(ports.outbound)]),
    ],
    inboundPort: (workload) => plan.get(workloadName(workload))?.ports.inbound ?? workload.port,
    async workers(credentials) {
      const workers = [await ingressWorker(options, credentials)];
      for (const one of plan.values())
        workers.push(await workloadWorker(options, credentials, one));
      return workers;
    },
  };
}

/** An isolate asks for configuration while it is asked itself: so a change is in force, and seen to be, without traffic. */
export function keepPolling(urls: readonly string[]): () => void {
  const poll = (url: string): void => {
    fetch(`${url}/_lateen/ready`)
      .then((response) => response.body?.cancel())
      .catch(() => undefined);
  };
  const timer = setInterval(() => {
    for (const url of urls) poll(url);
  }, POLL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
