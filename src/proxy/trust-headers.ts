/** Headers that say who somebody is: never passed on. What the mesh itself reads in them is taken aside first. */
import type { RequestHead } from '../model/head.ts';
import type { EngineExchange } from './exchange.ts';

const IDENTITY_TOKEN = 'workload-identity-token';
const PROOF_TOKEN = 'workload-proof-token';

/** The mesh's own, and what platforms and other proxies say of client certificates (RFC 9440). */
const NAMES = [
  IDENTITY_TOKEN,
  PROOF_TOKEN,
  'client-cert',
  'client-cert-chain',
  'x-lateen-identity',
  'x-forwarded-client-cert',
];
/** A backend like CGI's reads `_` and `-` in a name alike. */
const UNDERSCORED = NAMES.flatMap((name) => variants(name)).filter((name) => name.includes('_'));
const STRIPPED = [...NAMES.slice(0, 4), ...UNDERSCORED];
const PLATFORM_PREFIXES = ['cf-client-cert-', 'cf_client_cert_'];

function variants(name: string): string[] {
  const [first = '', ...rest] = name.split('-');
  return rest.reduce(
    (texts, part) => texts.flatMap((text) => [`${text}-${part}`, `${text}_${part}`]),
    [first],
  );
}

function shown(request: RequestHead, name: string): readonly string[] {
  return request.has(name) ? request.getAll(name) : NOTHING;
}

const NOTHING: readonly string[] = [];

export function takeCredential(x: EngineExchange): void {
  const { request } = x;
  const identityTokens = shown(request, IDENTITY_TOKEN);
  const proofTokens = shown(request, PROOF_TOKEN);
  if (identityTokens.length + proofTokens.length > 0)
    x.credential = { identityTokens, proofTokens };
  for (const name of STRIPPED) if (request.has(name)) request.remove(name);
  // What fronts write for who stands behind them; inside the mesh there are none.
  if (x.listener?.direction === 'inbound' && !request.joinsRepeated) return;
  for (const prefix of PLATFORM_PREFIXES) request.removePrefix(prefix);
}
