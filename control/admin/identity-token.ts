/** Identity tokens for proxies that no mutual TLS shows: as whom, the proxy token says, and nobody who asks. */
import { z } from '@hono/zod-openapi';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import { TokenBucket } from '../../src/lib/token-bucket.ts';
import type { Principal } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { App, Services } from './context.ts';
import { allow } from './context.ts';
import { describe } from './describe.ts';
import { readJson } from './input.ts';

const PATH = '/v1/identity/token';
/** Of one proxy token: isolates of a gateway share it, and each asks twice an hour. */
const RATE = { size: 500, perSecond: 50 } as const;
const MAX_KNOWN = 1000;

const text = z.string().max(64);
const body: z.ZodType<{ key: Record<string, string> }> = z.strictObject({
  key: z.strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: text,
    y: text,
    alg: z.literal('ES256'),
  }),
});

const answer: z.ZodType = z.object({
  token: z.string().openapi({ description: 'typ wit+jwt; holds for whoever proves the key' }),
  expiresMs: z.int(),
  identity: z.string().openapi({ description: 'SPIFFE ID' }),
});

/** The account in the namespace of the token's scopes. @throws Problem 403 */
function identityFor({ serviceAccount, scopes }: Principal, trustDomain: string): string {
  const [scope] = scopes;
  if (serviceAccount === undefined || scope === undefined)
    throw new Problem(
      403,
      'forbidden',
      'this proxy token is of no service account: make one with serviceAccount',
    );
  return `${trustDomain}/ns/${scope.namespace}/sa/${serviceAccount}`;
}

export function identityTokenRoutes(app: App, { deps, identity }: Services): void {
  const buckets = new Map<string, TokenBucket>();
  const takeTurn = (tokenId: string): void => {
    const nowMs = deps.nowMs();
    let bucket = buckets.get(tokenId);
    if (bucket === undefined) {
      if (buckets.size >= MAX_KNOWN) buckets.clear();
      bucket = new TokenBucket(RATE, nowMs);
      buckets.set(tokenId, bucket);
    }
    if (!bucket.take(nowMs))
      throw new Problem(429, 'too many requests', `at most ${RATE.perSecond} tokens a second`);
  };
  describe(app, {
    method: 'post',
    path: PATH,
    summary: 'an identity token for the holder of a key, as the service account of the proxy token',
    role: 'proxy',
    body,
    answer,
    refusals: {
      400: 'the key is no public JWK on P-256',
      422: 'the key is none',
      429: 'too many at once',
      503: 'nobody signs here',
    },
  });
  app.post(PATH, async (c) => {
    allow(c, 'proxy');
    const { key } = await readJson(c, body);
    const principal = c.get('principal');
    if (identity === undefined)
      throw new Problem(503, 'unavailable', 'this control plane keeps no authority');
    const { authority } = identity;
    takeTurn(principal.tokenId ?? '');
    const who = identityFor(principal, authority.trustDomain);
    const issued = await authority.issueToken({ identity: who, key, actor: principal.name });
    return c.json({ ...issued, identity: spiffeUri(who) }, 200, { 'cache-control': 'no-store' });
  });
}
