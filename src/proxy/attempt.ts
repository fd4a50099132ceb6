/** Destination, endpoint and head of an attempt. */
import type { Random } from '../host/host.ts';
import { NO_STATUS } from '../lib/grpc-status.ts';
import type { GrpcCall, LocalReply } from '../model/exchange.ts';
import type {
  Cluster,
  Destination,
  Endpoint,
  ForwardAction,
  Mirror,
  Route,
} from '../model/snapshot.ts';
import type { EngineExchange } from './exchange.ts';
import { addForwarded } from './forwarded.ts';
import { writeGrpcTimeout } from './grpc.ts';
import { applyRouteHeaders } from './header-ops.ts';
import { invalidBackend, redirectReply, replies } from './rescue.ts';
import { createRetryState, retriesGrpcStatus } from './retry.ts';
import { rewritePath } from './rewrite.ts';
import { schemeTowards } from './upstream-tls.ts';

/** Endpoints that a step of the trace names. */
const MAX_SHOWN = 10;
const NO_MIRRORS: readonly Mirror[] = [];
const NONE_TRIED: readonly Endpoint[] = [];

/** A host that nobody knows, let through to where the caller wanted to go. */
export const passthroughCluster: Cluster = {
  name: 'PassthroughCluster',
  service: '',
  port: 0,
  discovery: 'original',
  balancer: 'PASSTHROUGH',
  connectTimeoutMs: 10_000,
  origin: { resource: 'mesh', path: 'outboundPolicy' },
};

/** A draw in [0, 1) to one of the half-open intervals of weight over sum. */
export function drawDestination(
  destinations: readonly Destination[],
  random: Random,
): Destination | undefined {
  if (destinations.length < 2) return destinations[0];
  let total = 0;
  for (const destination of destinations) total += destination.weight;
  let left = random.uniform() * total;
  for (const destination of destinations) {
    left -= destination.weight;
    if (left < 0) return destination;
  }
  return destinations.at(-1);
}

function drawMirrors(mirrors: readonly Mirror[] | undefined, random: Random): readonly Mirror[] {
  if (mirrors === undefined || mirrors.length === 0) return NO_MIRRORS;
  return mirrors.filter(
    (mirror) => mirror.percent >= 100 || random.uniform() * 100 < mirror.percent,
  );
}

function mirrorsOf(
  route: Route | undefined,
  { mirrors }: Destination,
): readonly Mirror[] | undefined {
  if (mirrors === undefined) return route?.mirrors;
  return route?.mirrors === undefined ? mirrors : [...route.mirrors, ...mirrors];
}

/** A rewrite that leaves `/api..` as `/v2/..` would lead out of what was matched. */
const DOT_SEGMENT = /^[^?]*\/\.\.?(?:[/;?]|$)/;

/** The request as the backend will see it; done once, all attempts send the same. */
function prepareHead(
  x: EngineExchange,
  action: ForwardAction,
  destination: Destination,
): LocalReply | undefined {
  const path = rewritePath(x.path, destination.rewrite ?? action.rewrite);
  const full = path.startsWith('/') ? path : `/${path}`;
  if (full !== x.path) {
    if (DOT_SEGMENT.test(full) && !DOT_SEGMENT.test(x.path)) return replies.badPath;
    x.request.set('x-envoy-original-path', x.path + x.query);
  }
  x.upstreamTarget = full + x.query;
  x.upstreamAuthority = action.authority ?? destination.authority ?? x.authority;
  if (x.upstreamAuthority !== x.authority) x.request.set('x-envoy-original-host', x.authority);
  applyRouteHeaders(x, x.request, 'requestHeaders');
  addForwarded(x);
  return undefined;
}

/** Cluster and head of a forward; a reply when there is no such cluster. */
export function beginForward(
  x: EngineExchange,
  action: ForwardAction,
  random: Random,
): LocalReply | undefined {
  const destination = drawDestination(action.destinations, random);
  if (destination === undefined) return replies.noDestination;
  x.destination = destination;
  if (destination.respond !== undefined) return invalidBackend(destination.respond);
  if (destination.redirect !== undefined) return redirectReply(x, destination.redirect);
  const linked = x.linked.clusters.get(destination.cluster);
  if (linked === undefined) {
    x.trace?.push({
      step: 'cluster',
      name: destination.cluster,
      outcome: 'denied',
      detail: 'no such cluster: unknown service, port or subset',
    });
    return replies.noCluster;
  }
  x.cluster = linked.cluster;
  x.linkedCluster = linked;
  x.trace?.push({
    step: 'cluster',
    name: linked.cluster.name,
    outcome: 'chosen',
    origin: linked.cluster.origin,
  });
  const refused = prepareHead(x, action, destination);
  if (refused !== undefined) return refused;
  const mirrors = drawMirrors(mirrorsOf(x.route, destination), random);
  x.mirrors =
    mirrors.length === 0
      ? mirrors
      : mirrors.filter((mirror) => x.linked.clusters.has(mirror.cluster));
  const policy = x.route?.retry;
  if (policy !== undefined && (policy.attempts > 0 || policy.perTryTimeoutMs > 0))
    x.retry = createRetryState(policy);
  return undefined;
}

/** To where the caller wanted to go, as it is. */
export function beginPassthrough(x: EngineExchange): void {
  x.cluster = passthroughCluster;
  x.upstreamTarget = x.path + x.query;
  x.upstreamAuthority = x.authority;
}

/** All that could have been chosen. */
function candidates(endpoints: readonly Endpoint[]): string {
  const named = endpoints
    .slice(0, MAX_SHOWN)
    .map(({ address, port, healthy }) => `${address}:${port}${healthy ? '' : ' (unhealthy)'}`);
  const more = endpoints.length - named.length;
  return `of ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The upstream hears how long this attempt may take, not how long the caller would wait. */
function prepareCall(x: EngineExchange, call: GrpcCall): void {
  const { retry, attemptTimeoutMs } = x;
  if (attemptTimeoutMs > 0) x.request.set('grpc-timeout', writeGrpcTimeout(attemptTimeoutMs));
  call.status = NO_STATUS;
  call.holdsHead =
    retry !== undefined && retry.left > 0 && retriesGrpcStatus(retry.policy, x.method);
}

/** By the time that is left, or that one try has. */
export function boundAttempt(x: EngineExchange, nowMs: number): void {
  const left = x.deadlineMs === 0 ? 0 : Math.max(1, x.deadlineMs - nowMs);
  const perTry = x.retry?.policy.perTryTimeoutMs ?? 0;
  x.attemptTimeoutMs = perTry > 0 && (left === 0 || perTry < left) ? perTry : left;
}

/** An endpoint for the next try; a reply when none is healthy. */
export function beginAttempt(x: EngineExchange, nowMs: number): LocalReply | undefined {
  const cluster = x.cluster as Cluster;
  boundAttempt(x, nowMs);
  if (x.call !== undefined) prepareCall(x, x.call);
  x.upstreamScheme = schemeTowards(cluster);
  x.upstreamStartMs = nowMs;
  x.attempts++;
  if (cluster.discovery === 'original') return undefined;
  const balancing = x.linkedCluster?.balancing;
  const skipsTried = x.retry?.policy.ignorePreviousHosts ?? true;
  const endpoint = balancing?.pick(skipsTried ? x.tried : NONE_TRIED);
  if (endpoint === undefined || balancing === undefined) {
    x.attempts--;
    return replies.noHealthyUpstream;
  }
  balancing.begin(endpoint);
  x.endpoint = endpoint;
  x.isAttemptOpen = true;
  x.tried = x.tried.length === 0 ? [endpoint] : [...x.tried, endpoint];
  x.trace?.push({
    step: 'endpoint',
    name: `${endpoint.address}:${endpoint.port}`,
    outcome: 'chosen',
    detail: candidates(balancing.endpoints),
  });
  return undefined;
}

/** The attempt is over, whatever came of it. */
export function endAttempt(x: EngineExchange): void {
  if (!x.isAttemptOpen) return;
  x.isAttemptOpen = false;
  if (x.endpoint !== undefined) x.linkedCluster?.balancing.end(x.endpoint);
}
