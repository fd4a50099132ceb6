/** The gateway's own endpoints under /_lateen/; nothing below it is ever forwarded. */
import { AutoRouter, error, json } from 'itty-router';
import { isSameSecret } from '../../src/lib/same-secret.ts';
import type { LinkedSnapshot } from '../../src/proxy/index.ts';

export const OWN_PREFIX = '/_lateen/';

export interface OwnState {
  readonly linked: LinkedSnapshot | undefined;
  /** Of the operator; '' = nobody may look. */
  readonly adminToken: string;
  readonly version: string;
  /** Counters of this isolate. */
  readonly stats: () => unknown;
}

export async function answerOwn(request: Request, state: OwnState): Promise<Response> {
  const isOperator = (): boolean => {
    const given = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
    return state.adminToken !== '' && isSameSecret(given, state.adminToken);
  };
  const router = AutoRouter();
  router.get('/_lateen/health', () => json({ ok: true }));
  router.get('/_lateen/ready', () =>
    state.linked === undefined ? error(503, { ready: false }) : json({ ready: true }),
  );
  router.get('/_lateen/version', () =>
    json({ version: state.version, snapshot: state.linked?.pointer.snapshot ?? null }),
  );
  router.get('/_lateen/config_dump', () => {
    if (!isOperator()) return error(401, { error: 'a token is required' });
    return json({
      pointer: state.linked?.pointer ?? null,
      snapshot: state.linked?.named.snapshot ?? null,
    });
  });
  router.get('/_lateen/stats', () =>
    isOperator() ? json(state.stats()) : error(401, { error: 'a token is required' }),
  );
  router.all('*', () => error(404, { error: 'no such endpoint' }));
  return (await router.fetch(request)) as Response;
}
