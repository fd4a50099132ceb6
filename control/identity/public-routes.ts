/** What outsiders may read without a token: the bundle of the trust domain and the lists of revoked certificates. */
import { z } from '@hono/zod-openapi';
import { hashName } from '../../src/lib/hash.ts';
import type { App, Ctx } from '../admin/context.ts';
import { describe } from '../admin/describe.ts';
import { Problem } from '../problem.ts';
import { bundleDocument } from './bundle.ts';
import type { LocalAuthority } from './create-authority.ts';
import type { RevocationLists } from './crl.ts';
import { bundleAnswer } from './schemas.ts';
import { base64Of } from './x509.ts';

const REFRESH_HINT_MS = 300_000;
const CRL_AGE_S = 300;

const noAuthority = (): Problem =>
  new Problem(404, 'not found', 'this mesh has no certificate authority');

function cached(c: Ctx, { etag, ageS }: { readonly etag: string; readonly ageS: number }): boolean {
  c.header('etag', `"${etag}"`);
  c.header('cache-control', `public, max-age=${ageS}`);
  return c.req.header('if-none-match') === `"${etag}"`;
}

function bundleRoute(app: App, authority: LocalAuthority): void {
  const { core } = authority;
  let made:
    | { readonly sequence: number; readonly domain: string; readonly text: string }
    | undefined;
  const textOf = async (): Promise<string | undefined> => {
    const [view, trust] = await Promise.all([core.views.current(), authority.trust()]);
    const domain = authority.trustDomain;
    if (trust === undefined) return undefined;
    const { sequence } = view;
    if (made?.sequence !== sequence || made.domain !== domain) {
      const document = await bundleDocument({
        roots: trust.roots[domain] ?? [],
        tokenKeys: trust.tokenKeys[domain] ?? [],
        sequence,
        refreshHintMs: REFRESH_HINT_MS,
      });
      made = { sequence, domain, text: JSON.stringify(document) };
    }
    return made.text;
  };
  describe(app, {
    method: 'get',
    path: '/v1/identity/bundle',
    summary: "the trust domain's SPIFFE bundle, for those who federate with it (profile https_web)",
    role: 'nobody',
    answer: bundleAnswer,
    refusals: { 404: 'there is no authority' },
  });
  app.get('/v1/identity/bundle', async (c) => {
    const text = await textOf();
    if (text === undefined) throw noAuthority();
    return cached(c, { etag: hashName(text), ageS: REFRESH_HINT_MS / 1000 })
      ? c.body(null, 304)
      : c.body(text, 200, { 'content-type': 'application/json' });
  });
}

function crlRoutes(app: App, lists: RevocationLists): void {
  const answer = async (c: Ctx, generation: number | undefined): Promise<Response> => {
    const { der, number } = await lists.of(generation);
    const name = hashName(`${number} ${base64Of(der)}`);
    return cached(c, { etag: name, ageS: CRL_AGE_S })
      ? c.body(null, 304)
      : c.body(der, 200, { 'content-type': 'application/pkix-crl' });
  };
  const refusals = {
    404: 'there is no such signer',
    409: 'the issuing certificate lacks cRLSign',
    503: 'there is no authority, or its key cannot be had',
  };
  const answerType = 'application/pkix-crl';
  describe(app, {
    method: 'get',
    path: '/v1/identity/crl',
    summary: 'revoked certificates of the signer that is (DER)',
    role: 'nobody',
    answer: z.string(),
    answerType,
    refusals,
  });
  app.get('/v1/identity/crl', async (c) => answer(c, undefined));
  describe(app, {
    method: 'get',
    path: '/v1/identity/crl/{generation}',
    summary: 'of one signer, as long as a certificate of it holds',
    role: 'nobody',
    answer: z.string(),
    answerType,
    refusals,
  });
  app.get('/v1/identity/crl/:generation', async (c) => {
    const generation = c.req.param('generation');
    if (!/^\d{1,8}$/.test(generation))
      throw new Problem(404, 'not found', `no signer ${generation}`);
    return answer(c, Number(generation));
  });
}

export function publicRoutes(app: App, authority: LocalAuthority, lists: RevocationLists): void {
  bundleRoute(app, authority);
  crlRoutes(app, lists);
}
