/** The control plane as one fetch handler; its homes give it a store and a clock. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { requestId } from 'hono/request-id';
import { guard, secureAnswers } from './access/guard.ts';
import { createLastUses } from './access/last-use.ts';
import { createThrottle } from './access/throttle.ts';
import { accessRoutes } from './admin/access.ts';
import { auditPath } from './audit/redact.ts';
import { auditRoutes } from './admin/audit.ts';
import type { App, ControlDependencies, Ctx, Env, Peer, Services } from './admin/context.ts';
import { documentRoutes } from './admin/documents.ts';
import { historyRoutes } from './admin/history.ts';
import { hardenRoutes } from './admin/harden.ts';
import { hostRoutes } from './admin/hosts.ts';
import { identityTokenRoutes } from './admin/identity-token.ts';
import { insightRoutes } from './admin/insight.ts';
import { loginRoutes } from './admin/login.ts';
import { proxyRoutes } from './admin/proxies.ts';
import { resourceRoutes } from './admin/resources.ts';
import { streamRoutes } from './admin/stream.ts';
import { tokenRoutes } from './admin/tokens.ts';
import { watchRoutes } from './admin/watch.ts';
import { createFleet } from './fleet.ts';
import { createInventory } from './inventory.ts';
import { createKeyUses } from './key-uses.ts';
import { createKeys } from './keys.ts';
import { createMeshDomains } from './mesh-domains.ts';
import { Problem, problemResponse } from './problem.ts';
import { createPush } from './push.ts';
import { createRegistry } from './registry.ts';
import { RESOURCE_PREFIX } from './resources.ts';
import { createStatuses } from './status.ts';
import type { StreamHub } from './stream/hub.ts';
import { createStreamHub } from './stream/hub.ts';

export type { ControlDependencies, Peer } from './admin/context.ts';

export interface ControlPlane {
  /** `peer`: who is at the other end, as this home knows it. */
  fetch(request: Request, peer?: Peer): Promise<Response>;
  /** Where a home brings the sockets of proxies. */
  readonly streams: StreamHub;
  /** Does what the certificate authority has to do now and then. */
  tick(): Promise<void>;
}

const KEPT_REVISIONS = 1000;
/** Compaction runs once for so many revisions, so there are at most so many more than are kept. */
const COMPACT_EVERY = 100;
/** For one that changes configuration there may be so many of certificates, tokens and the like. */
const OTHERS = 20;

function createServices(deps: ControlDependencies): Services {
  const inventory = createInventory(deps.store);
  const keys = createKeys({
    uses: createKeyUses(inventory),
    fetch: deps.fetchKeys,
    nowMs: deps.nowMs,
    log: deps.log,
    cache: deps.texts,
    allowPrivate: deps.allowPrivateKeys === true,
  });
  const identity = deps.identity?.({ deps, domains: createMeshDomains(inventory) });
  const push = createPush({
    inventory,
    blobs: deps.blobs,
    keys,
    ...(identity === undefined ? {} : { trust: () => identity.authority.trust() }),
  });
  const registry = createRegistry(deps.nowMs);
  const fleet = createFleet(deps.store, push, registry);
  const statuses = createStatuses({ inventory, fleet, keys, nowMs: deps.nowMs });
  const { store, blobs, nowMs, log, wakeAt } = deps;
  const streams = createStreamHub({
    store,
    blobs,
    inventory,
    keys,
    push,
    nowMs,
    log,
    ...(wakeAt === undefined ? {} : { wakeAt }),
  });
  registry.addSource((scope) => streams.instances(scope));
  const guards = {
    throttle: createThrottle(nowMs),
    lastUses: createLastUses(deps.texts, nowMs),
    ...(identity === undefined
      ? {}
      : {
          isDenied: (shown: { serial: string; identity: string }) =>
            identity.authority.isDenied(shown),
        }),
  };
  return { deps, inventory, keys, push, registry, fleet, statuses, streams, guards, identity };
}

/**
 * Old revisions go, so that a mesh that changes for years keeps its size. What counts are those that change
 * configuration: proxies that renew their certificates push no rollback out of reach.
 */
function keepCompact({ store, keepRevisions = KEPT_REVISIONS, log }: ControlDependencies): void {
  /** Revisions of configuration since this process started, the last so many. */
  const known: number[] = [];
  const followed = async (revision: number): Promise<void> => {
    const { events } = await store.eventsAfter(revision - 1, 1);
    if (events[0]?.key.startsWith(RESOURCE_PREFIX) === true) known.push(revision);
    if (known.length > keepRevisions) known.shift();
    if (revision % COMPACT_EVERY !== 0) return;
    const [oldest = 0] = known.length < keepRevisions ? [] : known;
    const until = Math.max(oldest - 1, revision - keepRevisions * OTHERS);
    if (until > 0) await store.compact(until);
  };
  store.onCommit((revision) => {
    followed(revision).catch((error: unknown) => {
      log(`compaction failed: ${error instanceof Error ? error.message : 'unknown fault'}`);
    });
  });
}

function failures(app: App, deps: ControlDependencies): void {
  const pathOf = (c: Ctx): string => auditPath(c.req.path);
  app.notFound((c) => {
    const path = pathOf(c);
    return problemResponse(new Problem(404, 'not found', `no ${c.req.method} ${path}`), path);
  });
  app.onError((error, c) => {
    const path = pathOf(c);
    if (error instanceof Problem) return problemResponse(error, path);
    deps.log(`error ${c.req.method} ${path}: ${error.stack ?? error.message}`);
    return problemResponse(
      new Problem(500, 'internal error', 'the request failed; the log has the cause'),
      path,
    );
  });
}

function openApi(app: App): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'lat_<id>_<secret>; roles viewer, operator, editor, security-admin, admin, proxy',
  });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Lateen admin API',
      version: '0.1.0',
      description:
        'Configuration, history and state of a mesh. Errors are problem+json (RFC 9457).',
    },
  });
}

export function createControlPlane(deps: ControlDependencies): ControlPlane {
  const services = createServices(deps);
  const app: App = new OpenAPIHono<Env>();
  app.use(requestId());
  secureAnswers(app);
  app.get('/healthz', (c) => c.text('ok'));
  services.identity?.addPublicRoutes(app, services);
  guard(app, deps, services.guards);
  accessRoutes(app);
  loginRoutes(app, services);
  services.identity?.addRoutes(app, services);
  documentRoutes(app, services);
  watchRoutes(app, services);
  resourceRoutes(app, services);
  historyRoutes(app, services);
  auditRoutes(app, services);
  insightRoutes(app, services);
  hardenRoutes(app, services);
  hostRoutes(app, services);
  // Its path is one that a proxy could be named by.
  streamRoutes(app, services);
  proxyRoutes(app, services);
  tokenRoutes(app, services);
  identityTokenRoutes(app, services);
  openApi(app);
  failures(app, deps);
  keepCompact(deps);
  return {
    fetch: async (request, peer = {}) => app.fetch(request, peer),
    streams: services.streams,
    tick: async () => services.identity?.tick(),
  };
}
