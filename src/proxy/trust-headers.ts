/** Headers that say who somebody is: never passed on. What the mesh itself reads in them is taken aside first. */
import type { RequestHead } from '../model/head.ts';
import type { EngineExchange } from './exchange.ts';

const IDENTITY_TOKEN = 'workload-identity-token';
const PROOF_TOKEN = 'workload-proof-token';

/** The mesh's own, and what platforms and other proxies say of client certificates (RFC 9440). */
const STRIPPED = [IDENTITY_TOKEN, PROOF_TOKEN, 'client-cert', 'client-cert-chain'];
/** A backend like CGI's reads `_` and `-` in a name alike; what becomes of the last two themselves, others say. */
const LOOKALIKES = [...STRIPPED, 'x-lateen-identity', 'x-forwarded-client-cert'];
const PLATFORM_PREFIX = 'cf-client-cert-';
const NOTHING: readonly string[] = [];

function shown(request: RequestHead, name: string): readonly string[] {
  return request.has(name) ? request.getAll(name) : NOTHING;
}

/** What the caller shows of itself; nothing of it goes on. */
export function takeCredential(x: EngineExchange): void {
  const { request } = x;
  const identityTokens = shown(request, IDENTITY_TOKEN);
  const proofTokens = shown(request, PROOF_TOKEN);
  if (identityTokens.length + proofTokens.length > 0)
    x.credential = { identityTokens, proofTokens };
  for (const name of STRIPPED) if (request.has(name)) request.remove(name);
  for (const name of LOOKALIKES) request.removeUnderscored(name);
  // What fronts write for who stands behind them; inside the mesh there are none.
  if (x.listener?.direction === 'inbound' && !request.joinsRepeated) return;
  request.removePrefix(PLATFORM_PREFIX);
}
