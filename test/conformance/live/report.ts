/** What client, backends and front saw of one exchange, in the words of a case's `expect`. */
import { formatDuration } from '../../../src/lib/duration.ts';
import type { Cluster } from '../../../src/model/snapshot.ts';
import type { ExchangeReport } from '../../../workers/test-report.ts';
import type { Response } from './exchange.ts';
import { joined } from './exchange.ts';
import type { Received } from './server.ts';

/** The service that a sidecar's gateway stands before. */
export const APP_HOST = 'app.test';
export type Fields = Readonly<Record<string, unknown>>;

export interface Exchanged {
  /** Undefined = the connection was refused or closed. */
  readonly response: Response | undefined;
  readonly report: ExchangeReport;
  /** So far. */
  readonly received: () => readonly Received[];
  readonly forget: () => void;
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

function routeFields({ route }: ExchangeReport): Fields {
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

/** The cluster that a dialled address stands for; of a sidecar's app and of the original destination the proxy tells it. */
export function clusterAt(
  clusters: readonly Cluster[],
  host: string,
  report: ExchangeReport,
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

export function describe(clusters: readonly Cluster[], exchanged: Exchanged): Fields {
  const { response, report } = exchanged;
  const received = exchanged.received();
  const clusterOf = ({ host }: Received): Cluster | undefined => clusterAt(clusters, host, report);
  const main = received.find((one) => (clusterOf(one)?.name ?? report.cluster) === report.cluster);
  const common = {
    responseHeaders: response?.headers ?? {},
    ...(report.policy === '' ? {} : { policy: report.policy }),
    ...routeFields(report),
  };
  if (main === undefined)
    return {
      ...common,
      ...(response === undefined
        ? { outcome: 'close' }
        : { outcome: 'respond', status: response.status }),
      body: response?.body ?? '',
      mirrors: [],
    };
  if (response === undefined) throw new Error("a backend's answer never came");
  return {
    ...common,
    outcome: 'forward',
    ...targetFields(clusterOf(main)),
    path: main.target,
    authority: main.authority,
    requestHeaders: joined(main.headers),
    mirrors: received
      .filter((one) => one !== main)
      .map((one) => ({ ...targetFields(clusterOf(one)), percent: 100 })),
  };
}
