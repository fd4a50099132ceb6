/** What is for proxies alone: the WebSocket that configuration is pushed over, and their certificates and keys. */
import { secretsOf } from '../../src/config/secrets.ts';
import { Problem } from '../problem.ts';
import { scopeKey } from '../registry.ts';
import type { App, Ctx, Services } from './context.ts';
import { allow } from './context.ts';
import { describe } from './describe.ts';
import { PROXY, PROXY_PATH, scopeFor } from './proxies.ts';
import { secretsAnswer } from './schemas.ts';

/** Of the last readers, so that one proxy can't fill the audit log. */
const MAX_READERS = 10_000;

function socketRoute(app: App, { deps, streams }: Services): void {
  describe(app, {
    method: 'get',
    path: '/v1/proxies/stream',
    summary:
      'WebSocket: a proxy subscribes its scopes, is sent what it lacks of each new pointer, and answers ack or nack. Subprotocol lateen.v1; who cannot set Authorization offers bearer.<token> beside it',
    role: 'proxy',
    status: 101,
    refusals: { 426: 'no WebSocket was asked for', 503: 'too many are open', 501: 'not here' },
  });
  app.get('/v1/proxies/stream', (c) => {
    allow(c, 'proxy');
    const { tokenId, expiresMs } = c.get('principal');
    if (c.req.header('upgrade')?.toLowerCase() !== 'websocket')
      throw new Problem(426, 'upgrade required', 'this is a WebSocket: send Upgrade: websocket');
    if (deps.upgrade === undefined || tokenId === undefined)
      throw new Problem(501, 'not implemented', 'this control plane has no WebSocket: poll');
    if (!streams.hasRoom(tokenId))
      throw new Problem(503, 'unavailable', 'too many sockets are open: poll');
    return deps.upgrade(c.req.raw, {
      tokenId,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    });
  });
}

/** One line for each version that a token is given, however often it asks. */
function createReaders(): (c: Ctx, what: string) => void {
  const given = new Map<string, string>();
  return (c, what) => {
    const { tokenId = '' } = c.get('principal');
    const reader = `${tokenId} ${c.req.path}`;
    if (given.get(reader) === what) return;
    if (given.size >= MAX_READERS) given.clear();
    given.set(reader, what);
    c.set('givesSecrets', true);
  };
}

function secretsRoute(app: App, { deps, inventory, push, registry }: Services): void {
  const audit = createReaders();
  describe(app, {
    method: 'get',
    path: `${PROXY}/secrets`,
    summary: 'certificates and keys of the Secrets that its snapshot names, as PEM',
    role: 'proxy',
    answer: secretsAnswer,
    refusals: { 403: 'the token is for another proxy' },
  });
  app.get(`${PROXY_PATH}/secrets`, async (c) => {
    const scope = scopeFor(c);
    const compiled = await push.compiledFor(scope);
    const { resources } = await inventory.current();
    const bundle = secretsOf(compiled.secrets, resources);
    const etag = `"${bundle.version}"`;
    const headers = { etag, 'cache-control': 'no-store' };
    if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers);
    registry.secretsRead(scope);
    audit(c, bundle.version);
    const count = Object.keys(bundle.secrets).length;
    deps.log(`${count} secrets given to ${scopeKey(scope)}`);
    return c.json(bundle, 200, headers);
  });
}

export function streamRoutes(app: App, services: Services): void {
  socketRoute(app, services);
  secretsRoute(app, services);
}
