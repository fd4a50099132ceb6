/** The engine over a fake Host: what it would decide, and why. */
import { formatDuration } from '../lib/duration.ts';
import { RequestHeaderList, ResponseHeaderList } from '../lib/header-list.ts';
import type { Host } from '../host/host.ts';
import type { UpstreamFailure } from '../model/error.ts';
import type { Exchange, TraceStep } from '../model/exchange.ts';
import type { HeaderBlock } from '../model/head.ts';
import type { Peer } from '../model/identity.ts';
import type { Cluster } from '../model/snapshot.ts';
import { createEngine, decideConnection, grpcStatusOf } from '../proxy/index.ts';

export { link } from '../proxy/index.ts';
import type { LinkedSnapshot } from '../proxy/index.ts';
import type { Decision, SimulatedRequest } from './decision.ts';

export type { Decision, SimulatedRequest } from './decision.ts';

export interface Simulation {
  readonly linked: LinkedSnapshot;
  readonly host: Host;
  readonly request: SimulatedRequest;
  /** What the backend answers, or what becomes of the attempt. @default 200 without headers */
  readonly upstream?: Upstream | ((cluster: Cluster | undefined) => Upstream);
  /** Collects why. @default false */
  readonly trace?: boolean;
}

export type Upstream =
  | { readonly status: number; readonly headers: readonly (readonly [string, string])[] }
  | { readonly failure: UpstreamFailure };

export interface SimulatedDecision extends Decision {
  readonly trace?: readonly TraceStep[];
}

function peerOf(request: SimulatedRequest): Peer {
  const isTls = (request.scheme ?? 'http') === 'https';
  const host = (request.host ?? '').replace(/:\d+$/, '');
  const { principal, country, proof } = request.peer ?? {};
  // Who has an identity showed it with a certificate.
  const mutual = request.tls?.mutual === true || principal !== undefined;
  return {
    ip: request.peer?.ip ?? '192.0.2.1',
    ...(principal === undefined ? {} : { principal }),
    ...(country === undefined ? {} : { country }),
    ...(proof === undefined ? { mutual } : {}),
    ...(proof === 'credential' || proof === 'platform' ? { proof } : {}),
    ...(isTls || request.tls !== undefined
      ? { tls: { sni: request.tls?.sni ?? host, mutual } }
      : {}),
  };
}

function fieldsOf(head: HeaderBlock): Record<string, string> {
  const fields: Record<string, string> = {};
  head.forEach((name, value) => {
    fields[name] = fields[name] === undefined ? value : `${fields[name]},${value}`;
  });
  return fields;
}

const answerKey = (status: number, isGrpc: boolean): string =>
  isGrpc ? `grpc-${grpcStatusOf(status)}` : String(status);

function share(
  linked: LinkedSnapshot,
  { route, listener, call }: Exchange,
): Record<string, number> | undefined {
  if (route?.action.kind !== 'forward' || route.action.destinations.length < 2) return undefined;
  const { destinations } = route.action;
  const total = destinations.reduce((sum, destination) => sum + destination.weight, 0);
  const isHttp = listener?.protocol === 'HTTP' || listener?.protocol === 'HTTPS';
  const services = new Set(destinations.map(({ cluster }) => cluster.split('|')[3]));
  const shares: Record<string, number> = {};
  for (const { cluster, weight, respond } of destinations) {
    if (respond !== undefined) {
      const key = isHttp ? answerKey(respond, call !== undefined) : 'close';
      shares[key] = (shares[key] ?? 0) + (100 * weight) / total;
      continue;
    }
    const known = linked.clusters.get(cluster)?.cluster;
    const name = (services.size > 1 ? undefined : known?.subset) ?? cluster.split('|')[2] ?? '';
    const key = services.size > 1 || name === '' ? (cluster.split('|')[3] ?? '') : name;
    shares[key] = (shares[key] ?? 0) + (100 * weight) / total;
  }
  return shares;
}

function target(cluster: Cluster | undefined): {
  service?: string;
  subset?: string;
  port?: number;
} {
  if (cluster === undefined || cluster.service === '') return {};
  return {
    service: cluster.service,
    port: cluster.port,
    ...(cluster.subset === undefined ? {} : { subset: cluster.subset }),
  };
}

/** `outbound|port|subset|service` where no such cluster exists to say it. */
function routePolicy(x: Exchange, linked: LinkedSnapshot): Partial<Decision> {
  const { route } = x;
  if (route === undefined) return { mirrors: [], retries: { attempts: 0 }, timeout: '0s' };
  const fault = route.filters.find((filter) => filter.kind === 'fault')?.config as
    | { delay?: { ms: number; percent: number }; abort?: { status: number; percent: number } }
    | undefined;
  const { retry } = route;
  const split = share(linked, x);
  return {
    timeout: formatDuration(route.timeoutMs),
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
    mirrors: (route.mirrors ?? [])
      .map(({ cluster, percent }) => ({ cluster: linked.clusters.get(cluster)?.cluster, percent }))
      .filter(({ cluster }) => cluster !== undefined)
      .map(({ cluster, percent }) => ({
        service: cluster?.service ?? '',
        percent,
        ...(cluster?.subset === undefined ? {} : { subset: cluster.subset }),
      })),
    ...(split === undefined ? {} : { split }),
    ...(fault?.delay !== undefined
      ? { fault: { delay: formatDuration(fault.delay.ms), percent: fault.delay.percent } }
      : fault?.abort !== undefined
        ? { fault: { abort: fault.abort.status, percent: fault.abort.percent } }
        : {}),
    ...(route.name === undefined ? {} : { route: route.name }),
  };
}

function toDecision(
  x: Exchange,
  linked: LinkedSnapshot,
  forwarded: Record<string, string> | undefined,
): SimulatedDecision {
  const common = {
    flags: x.flags,
    details: x.details,
    ...routePolicy(x, linked),
    ...(x.decidedBy === '' ? {} : { policy: x.decidedBy }),
    ...(x.trace === undefined ? {} : { trace: x.trace }),
  };
  if (x.reply === undefined)
    return {
      outcome: 'forward',
      ...common,
      ...target(x.cluster),
      path: x.upstreamTarget,
      authority: x.upstreamAuthority,
      requestHeaders: forwarded ?? {},
      responseHeaders: x.response === undefined ? {} : fieldsOf(x.response),
    };
  const { reply } = x;
  const headers = Object.fromEntries(reply.headers.map(([name, value]) => [name, value]));
  return {
    outcome: reply.close === true ? 'close' : 'respond',
    ...common,
    ...(reply.close === true ? {} : { status: reply.status }),
    responseHeaders: headers,
    body: typeof reply.body === 'string' ? reply.body : new TextDecoder().decode(reply.body),
  };
}

/** A connection that isn't HTTP: neither host nor path is said of it. */
const isTcp = ({ host, path, method }: SimulatedRequest): boolean =>
  host === undefined && path === undefined && method === undefined;

/** Is it carried without being read: no HTTP at all, or TLS that isn't ended here? */
function isCarried({ linked, request }: Simulation): boolean {
  if (isTcp(request)) return true;
  const isTls = request.scheme === 'https' || request.tls !== undefined;
  const found = linked.listeners.find(portOf(request), peerOf(request).tls?.sni)?.listener;
  if (found === undefined) return false;
  if (found.direction === 'gateway') return found.protocol === 'TLS' || found.protocol === 'TCP';
  const peer = peerOf(request);
  const named = found.connections?.some(({ serverNames }) => serverNames !== undefined) === true;
  return isTls && found.direction === 'outbound' && named && peer.tls !== undefined;
}

const portOf = ({ port, scheme }: SimulatedRequest): number =>
  port ?? (scheme === 'https' ? 443 : 80);

async function simulateConnection(simulation: Simulation): Promise<SimulatedDecision> {
  const { linked, host, request } = simulation;
  const x = decideConnection(
    {
      linked,
      peer: peerOf(request),
      port: portOf(request),
      ...(simulation.trace === true ? { trace: true } : {}),
    },
    host,
  );
  await x.waiting;
  return toDecision(x, linked, undefined);
}

export async function simulate(simulation: Simulation): Promise<SimulatedDecision> {
  const { linked, host, request } = simulation;
  if (isCarried(simulation)) return simulateConnection(simulation);
  const engine = createEngine({ host });
  const scheme = request.scheme ?? 'http';
  const line = {
    method: request.method ?? 'GET',
    scheme,
    authority: request.host ?? '',
    target: request.path ?? '/',
  };
  const head = new RequestHeaderList(line, request.headers ?? []);
  const x = engine.begin({
    linked,
    head,
    peer: peerOf(request),
    port: portOf(request),
    ...(simulation.trace === true ? { trace: true } : {}),
  });
  let step = engine.onRequest(x);
  let forwarded: Record<string, string> | undefined;
  while (step === 'wait' || step === 'forward') {
    if (step === 'wait') {
      await x.waiting;
      step = engine.resume(x);
    } else {
      forwarded = fieldsOf(head);
      const { upstream = { status: 200, headers: [] } } = simulation;
      const answer = typeof upstream === 'function' ? upstream(x.cluster) : upstream;
      step =
        'failure' in answer
          ? engine.onFailure(x, answer.failure)
          : engine.onResponse(x, new ResponseHeaderList(answer.status, answer.headers));
    }
  }
  engine.onEnd(x);
  return toDecision(x, linked, forwarded);
}
