/** What client, backends and front saw of one exchange, in the words of a case's `expect`. */
import { formatDuration } from '../../../src/lib/duration.ts';
import type { Cluster } from '../../../src/model/snapshot.ts';
import type { FrontReport } from '../../../workers/test-front.ts';
import type { Response } from './exchange.ts';
import { joined } from './exchange.ts';
import type { Received } from './server.ts';
import { ID_HEADER } from './server.ts';

export const QUESTION_HEADER = 'x-lateen-test';
export const REPORT_HEADER = 'x-lateen-test-report';
/** Fields that the way to and from the worker adds. */
const TRANSPORT = new Set([
  'host',
  'cf-connecting-ip',
  'cf-ray',
  'cf-visitor',
  'cf-worker',
  ID_HEADER,
  QUESTION_HEADER,
]);
/** The service that a sidecar's gateway stands before. */
export const APP_HOST = 'app.test';
/** How a gateway without connections to close says that nobody listens. */
const MISDIRECTED = 421;

export type Fields = Readonly<Record<string, unknown>>;

export interface Seen {
  readonly response: Response;
  readonly report: FrontReport;
  readonly received: readonly Received[];
}

interface FaultConfig {
  readonly delay?: { readonly ms: number; readonly percent: number };
  readonly abort?: { readonly status: number; readonly percent: number };
}

function faultFields({ delay, abort }: FaultConfig = {}): Fields {
  if (delay !== undefined)
    return { fault: { delay: formatDuration(delay.ms), percent: delay.percent } };
  return abort === undefined ? {} : { fault: { abort: abort.status, percent: abort.percent } };
}

function routeFields({ route }: FrontReport): Fields {
  if (route === undefined) return { timeout: '0s', retries: { attempts: 0 } };
  const { name, timeoutMs, retry } = route;
  return {
    ...(name === undefined ? {} : { route: name }),
    timeout: formatDuration(timeoutMs),
    retries:
      retry === undefined
        ? { attempts: 0 }
        : {
            attempts: retry.attempts,
            retryOn: [...retry.on, ...retry.statusCodes.map(String)],
            ...(retry.perTryTimeoutMs === 0
              ? {}
              : { perTryTimeout: formatDuration(retry.perTryTimeoutMs) }),
          },
    ...faultFields(route.fault as FaultConfig | undefined),
  };
}

/** The cluster that a dialled address stands for; of a sidecar's app and of the original destination the gateway tells it. */
export function clusterAt(
  clusters: readonly Cluster[],
  host: string,
  report: FrontReport,
): Cluster | undefined {
  const index = /^c(\d+)\.backend\.test$/.exec(host)?.[1];
  if (index !== undefined) return clusters[Number(index)];
  return clusters.find(
    ({ name, discovery }) =>
      name === report.cluster && (discovery === 'original' || host === APP_HOST),
  );
}

export function targetFields(cluster: Cluster | undefined): Fields {
  if (cluster === undefined || cluster.service === '') return {};
  return {
    service: cluster.service,
    port: cluster.port,
    ...(cluster.subset === undefined ? {} : { subset: cluster.subset }),
  };
}

export function describe(clusters: readonly Cluster[], seen: Seen): Fields {
  const { response, report, received } = seen;
  const clusterOf = ({ host }: Received): Cluster | undefined => clusterAt(clusters, host, report);
  const main = received.find((one) => (clusterOf(one)?.name ?? report.cluster) === report.cluster);
  const { [REPORT_HEADER]: _report, ...responseHeaders } = response.headers;
  const common = {
    responseHeaders,
    ...(report.policy === '' ? {} : { policy: report.policy }),
    ...routeFields(report),
  };
  if (main === undefined) {
    const isClose = report.close && response.status === MISDIRECTED;
    return {
      ...common,
      outcome: isClose ? 'close' : 'respond',
      ...(isClose ? {} : { status: response.status }),
      body: response.body,
      mirrors: [],
    };
  }
  const requestHeaders = joined(main.headers.filter(([name]) => !TRANSPORT.has(name)));
  return {
    ...common,
    outcome: 'forward',
    ...targetFields(clusterOf(main)),
    path: main.target,
    // A Worker's fetch writes the Host field itself.
    authority: requestHeaders['x-forwarded-host'],
    requestHeaders,
    mirrors: received
      .filter((one) => one !== main)
      .map((one) => ({ ...targetFields(clusterOf(one)), percent: 100 })),
  };
}
