/** Routes of those who have no token yet: what they prove is in what they send. */
import { z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import {
  JOIN_KEY_PATH,
  JOIN_PATH,
  MAX_JOIN_BYTES,
  RENEW_PATH,
} from '../../src/delivery/joining.ts';
import { sourceOf } from '../access/guard.ts';
import type { App, Ctx } from '../admin/context.ts';
import { describe } from '../admin/describe.ts';
import { readJson } from '../admin/input.ts';
import { Problem } from '../problem.ts';
import type { Joining } from './joining.ts';

const text = z.string().min(1).max(MAX_JOIN_BYTES);
const joinBody: z.ZodType<{ jwe: string }> = z.strictObject({
  jwe: text.openapi({ description: 'compact JWE (ECDH-ES, A256GCM) under the join key' }),
});
const renewBody: z.ZodType<{ proof: string }> = z.strictObject({
  proof: text.openapi({ description: 'compact JWS by the key of the certificate in use' }),
});
const statement = z.object({
  statement: z.string().openapi({ description: 'compact JWS under the issuing certificate (x5c)' }),
});

const REFUSALS = {
  400: 'not as wanted',
  403: 'nothing is given for this',
  413: 'too large',
  422: 'the key is not on P-256',
  429: 'too often',
  503: 'nobody can sign now',
} as const;

const NO_STORE = { 'cache-control': 'no-store' } as const;
const RETRY_SECONDS = '10';

export function joinRoutes(app: App, joining: Joining): void {
  documentation(app);
  const limit = bodyLimit({
    maxSize: MAX_JOIN_BYTES,
    onError: () => {
      throw new Problem(413, 'too large', `the body may have ${MAX_JOIN_BYTES} bytes`);
    },
  });
  for (const path of [JOIN_PATH, RENEW_PATH]) app.use(path, limit);
  app.get(JOIN_KEY_PATH, async (c) =>
    c.json(await told(c, joining.joinKey(sourceOf(c))), 200, NO_STORE),
  );
  app.post(JOIN_PATH, async (c) => {
    const { jwe } = await readJson(c, joinBody);
    const answer = await told(c, joining.join(jwe, sourceOf(c)));
    return c.json({ statement: answer }, 200, NO_STORE);
  });
  app.post(RENEW_PATH, async (c) => {
    const { proof } = await readJson(c, renewBody);
    const answer = await told(c, joining.renew(proof, sourceOf(c)));
    return c.json({ statement: answer }, 200, NO_STORE);
  });
}

/** Who is to wait is told how long. */
async function told<T>(c: Ctx, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Problem && (error.status === 429 || error.status === 503))
      c.header('retry-after', RETRY_SECONDS);
    throw error;
  }
}

function documentation(app: App): void {
  describe(app, {
    method: 'get',
    path: JOIN_KEY_PATH,
    summary: 'the key that requests to join are encrypted to, under a statement of the authority',
    role: 'nobody',
    answer: statement.extend({ roots: z.array(z.string()) }),
    refusals: { 429: REFUSALS[429], 503: REFUSALS[503] },
  });
  describe(app, {
    method: 'post',
    path: JOIN_PATH,
    summary: 'a first certificate, by a join token or a token of the platform',
    role: 'nobody',
    body: joinBody,
    answer: statement,
    refusals: { ...REFUSALS, 409: 'the join key was replaced: fetch it again' },
  });
  describe(app, {
    method: 'post',
    path: RENEW_PATH,
    summary: 'the next certificate, by the one in use',
    role: 'nobody',
    body: renewBody,
    answer: statement,
    refusals: REFUSALS,
  });
}
