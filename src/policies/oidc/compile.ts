import { parseDuration } from '../../lib/duration.ts';
import { keySetName } from '../../lib/key-set-name.ts';
import { originOfUrl, originText } from '../../lib/origin.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import type { OidcConfig, RedirectPlace } from './config.ts';
import type { OidcPart } from './part.ts';

const DEFAULT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const HOUR_MS = 3_600_000;

function redirectPlace(uri: string): RedirectPlace[] {
  const origin = originOfUrl(uri);
  if (origin === undefined) return [];
  return [{ uri, origin: originText(origin), path: uri.slice(uri.indexOf('/', 8)) }];
}

const millis = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : (parseDuration(text) ?? otherwise);

function tokenOf({ tokenEndpoint }: OidcPart): OidcConfig['token'] {
  const { host, port, path, plaintext } = tokenEndpoint;
  const own = host.toLowerCase();
  const needsTls = plaintext !== true;
  const isDefault = port === (needsTls ? 443 : 80);
  return {
    cluster: `outbound|${port}||${own}`,
    authority: isDefault ? own : `${own}:${port}`,
    target: path,
    needsTls,
  };
}

export const oidcCompiler: PolicyCompiler = {
  kind: 'oidc',
  phase: 'authn',
  compilePart(given, { policy }) {
    const part = given as OidcPart;
    const [namespace = ''] = policy.split('/');
    const { session = {}, logout = {}, claimHeaders = [] } = part;
    const secret = `${namespace}/${part.secretName}`;
    const keySet = keySetName({
      issuer: part.issuer,
      ...(part.jwksUri === undefined ? {} : { jwksUri: part.jwksUri }),
    });
    const config: OidcConfig = {
      policy,
      issuer: part.issuer,
      clientId: part.clientId,
      clientAuthentication: part.clientAuthentication ?? 'client_secret_basic',
      secret,
      authorizationEndpoint: part.authorizationEndpoint,
      ...(part.endSessionEndpoint === undefined
        ? {}
        : { endSessionEndpoint: part.endSessionEndpoint }),
      token: tokenOf(part),
      keySet,
      algorithms: part.algorithms ?? DEFAULT_ALGORITHMS,
      scope: [...new Set(['openid', ...(part.scopes ?? [])])].join(' '),
      parameters: Object.entries(part.parameters ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
      redirects: part.redirectUris.flatMap((uri) => redirectPlace(uri)),
      logoutPath: logout.path ?? '/oauth2/logout',
      afterLogout: logout.redirect ?? '/',
      cookieName: session.cookieName ?? '__Host-lateen-session',
      maxAgeMs: millis(session.maxAge, 8 * HOUR_MS),
      idleMs: millis(session.idleTimeout, HOUR_MS),
      claimHeaders: claimHeaders.map(({ header, claim }) => ({
        header: header.toLowerCase(),
        claim,
      })),
      forwardsAccessToken: part.forwardAccessToken === true,
      except: part.except ?? [],
      passesIdentified: part.passIdentified === true,
      passesPreflight: part.allowPreflight === true,
      timeoutMs: millis(part.timeout, 10_000),
    };
    return { kind: 'oidc', config, secrets: [secret], keySets: [keySet] };
  },
  partServices: (part) => [(part as OidcPart).tokenEndpoint.host.toLowerCase()],
};
