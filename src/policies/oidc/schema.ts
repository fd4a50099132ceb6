import { z } from 'zod';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';
import { parseDuration } from '../../lib/duration.ts';
import { PUBLIC_ALGORITHMS } from '../../lib/jwk.ts';
import { originOfUrl } from '../../lib/origin.ts';
import { pathFault } from '../../lib/path-list.ts';
import { senderHeaderFault } from '../../lib/sender-headers.ts';
import type { OidcPart } from './part.ts';
import { oidcFields, oidcNotes, oidcRefusals } from './reference.ts';

const MAX_ENTRIES = 64;
const MAX_REDIRECTS = 16;

const bounded = <Entry extends z.ZodType>(entry: Entry, max: number): z.ZodArray<Entry> =>
  z.array(entry).max(max, { error: `a list takes at most ${max}` });

const METHODS = ['client_secret_basic', 'client_secret_post', 'none'] as const;

const schema = z.strictObject({
  issuer: z.string(),
  clientId: z.string(),
  clientAuthentication: z
    .enum(METHODS, { error: `clientAuthentication is one of ${METHODS.join(', ')}` })
    .optional(),
  secretName: z.string(),
  authorizationEndpoint: z.string(),
  tokenEndpoint: z.strictObject({
    host: z.string(),
    port: z.number().int().min(1).max(65_535),
    path: z.string(),
    plaintext: z.boolean().optional(),
  }),
  endSessionEndpoint: z.string().optional(),
  jwksUri: z.string().optional(),
  algorithms: bounded(
    z.enum(PUBLIC_ALGORITHMS, { error: `an algorithm is one of ${PUBLIC_ALGORITHMS.join(', ')}` }),
    PUBLIC_ALGORITHMS.length,
  ).optional(),
  scopes: bounded(z.string(), MAX_ENTRIES).optional(),
  parameters: z.record(z.string(), z.string()).optional(),
  redirectUris: bounded(z.string(), MAX_REDIRECTS),
  logout: z
    .strictObject({ path: z.string().optional(), redirect: z.string().optional() })
    .optional(),
  session: z
    .strictObject({
      cookieName: z.string().optional(),
      maxAge: z.string().optional(),
      idleTimeout: z.string().optional(),
    })
    .optional(),
  claimHeaders: bounded(
    z.strictObject({ header: z.string(), claim: z.string() }),
    MAX_ENTRIES,
  ).optional(),
  forwardAccessToken: z.boolean().optional(),
  except: bounded(z.string(), MAX_ENTRIES).optional(),
  passIdentified: z.boolean().optional(),
  allowPreflight: z.boolean().optional(),
  timeout: z.string().optional(),
});

const SECRET = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const PATH = /^\/[A-Za-z0-9._~!$&'()*+,=:@%/-]*$/;
const LOCAL = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const COOKIE = /^__Host-[A-Za-z0-9_-]{1,48}$/;
/** What a request for authorization says by itself. */
const OWN_PARAMETERS = new Set([
  'response_type',
  'response_mode',
  'client_id',
  'client_secret',
  'redirect_uri',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
]);

/** https, or this machine; without user, fragment and controls. */
function urlFault(text: string, takesQuery: boolean): string | undefined {
  const origin = originOfUrl(text);
  const isForm = origin !== undefined && /^[\x21-\x7e]+$/.test(text) && !/["<>\\^`{|}#]/.test(text);
  if (!isForm || (!takesQuery && text.includes('?')))
    // There may be a password in it.
    return `${text.includes('@') ? 'this' : JSON.stringify(text)} is no URL that can be used here, want https://host/path`;
  return origin.scheme === 'https' || LOCAL.test(origin.host)
    ? undefined
    : `${text} is not https: what comes back over it could be anybody's`;
}

function checkUrls(part: OidcPart, report: ReportFault): void {
  const { issuer, authorizationEndpoint, endSessionEndpoint, jwksUri } = part;
  const urls = { issuer, authorizationEndpoint, endSessionEndpoint, jwksUri };
  for (const [path, text] of Object.entries(urls)) {
    const fault = text === undefined ? undefined : urlFault(text, path !== 'issuer');
    if (fault !== undefined) report(path, fault);
  }
}

function checkRedirects({ redirectUris, logout }: OidcPart, report: ReportFault): void {
  if (redirectUris.length === 0) report('redirectUris', 'redirectUris is empty, want one');
  const hosts = new Set<string>();
  for (const [index, uri] of redirectUris.entries()) {
    const at = `redirectUris[${index}]`;
    const fault = urlFault(uri, false);
    const origin = originOfUrl(uri);
    if (fault !== undefined || origin === undefined) {
      report(at, fault ?? `${JSON.stringify(uri)} is no URL`);
      continue;
    }
    const path = uri.slice(uri.indexOf('/', 8));
    const isPath = uri.indexOf('/', 8) > 0 && PATH.test(path) && pathFault(path) === undefined;
    if (!isPath || path === '/')
      report(at, `${uri} has no path of its own`, 'want one as /oauth2/callback');
    if (path === (logout?.path ?? '/oauth2/logout'))
      report(at, `${path} is the path of logout too`, 'give them different ones');
    const host = `${origin.host}:${origin.port}`;
    if (hosts.has(host)) report(at, `${host} stands twice`, 'a host has one redirect URI');
    hosts.add(host);
  }
}

function checkToken({ tokenEndpoint }: OidcPart, report: ReportFault): void {
  const { host, path } = tokenEndpoint;
  if (!/^[a-z0-9_](?:[-a-z0-9_.]*[a-z0-9_])?$/i.test(host))
    report('tokenEndpoint.host', `${JSON.stringify(host)} is no host of the mesh`);
  if (!/^\/[\x21\x23-\x7e]*$/.test(path))
    report('tokenEndpoint.path', `${JSON.stringify(path)} is no path, want one as /token`);
}

function checkDurations({ session, timeout }: OidcPart, report: ReportFault): void {
  const bounds = [
    ['session.maxAge', session?.maxAge, 60_000, 2_592_000_000, '1m to 720h'],
    ['session.idleTimeout', session?.idleTimeout, 0, 2_592_000_000, '1m to 720h, or 0s'],
    ['timeout', timeout, 100, 60_000, '100ms to 1m'],
  ] as const;
  for (const [path, text, least, most, wanted] of bounds) {
    if (text === undefined) continue;
    const ms = parseDuration(text);
    if (
      ms === undefined ||
      ms < least ||
      ms > most ||
      (path.endsWith('idleTimeout') && ms > 0 && ms < 60_000)
    )
      report(path, `${JSON.stringify(text)} is out of bounds, want ${wanted}`);
  }
}

function checkTexts(part: OidcPart, report: ReportFault): void {
  const { clientId, secretName, session, scopes = [], parameters = {}, logout } = part;
  if (!/^[\x20-\x7e]{1,255}$/.test(clientId))
    report('clientId', `${JSON.stringify(clientId)} is no client id`);
  if (!SECRET.test(secretName))
    report('secretName', `${JSON.stringify(secretName)} is no name of a Secret`);
  if (session?.cookieName !== undefined && !COOKIE.test(session.cookieName))
    report(
      'session.cookieName',
      `${JSON.stringify(session.cookieName)} is no name for it, want __Host- and letters, digits, - or _`,
      'the prefix keeps other hosts of the domain from setting it',
    );
  for (const [index, scope] of scopes.entries())
    if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))
      report(`scopes[${index}]`, `${JSON.stringify(scope)} is no scope`);
  for (const [name, text] of Object.entries(parameters))
    if (OWN_PARAMETERS.has(name) || !/^[A-Za-z0-9_.-]+$/.test(name))
      report(`parameters.${name}`, `${name} is not to be set here`);
    else if (!/^[\x20-\x7e]{0,1024}$/.test(text))
      report(`parameters.${name}`, 'the value is more than 1,024 characters, or not ASCII');
  for (const name of ['path', 'redirect'] as const) {
    const text = logout?.[name];
    if (text === undefined) continue;
    if (!PATH.test(text) || pathFault(text) !== undefined)
      report(`logout.${name}`, `${JSON.stringify(text)} is no path, want one as /bye`);
  }
}

function check(given: unknown, report: ReportFault): void {
  const part = given as OidcPart;
  checkUrls(part, report);
  checkRedirects(part, report);
  checkToken(part, report);
  checkDurations(part, report);
  checkTexts(part, report);
  if (part.algorithms?.length === 0) report('algorithms', 'algorithms is empty, want one');
  for (const [index, { header, claim }] of (part.claimHeaders ?? []).entries()) {
    const fault = senderHeaderFault(header);
    const isTaken = header.toLowerCase() === 'authorization';
    if (fault !== undefined || isTaken)
      report(
        `claimHeaders[${index}].header`,
        fault ?? 'Authorization is for forwardAccessToken alone',
      );
    if (claim === '') report(`claimHeaders[${index}].claim`, 'the name is empty');
  }
  for (const [index, text] of (part.except ?? []).entries()) {
    const fault = pathFault(text);
    if (fault !== undefined) report(`except[${index}]`, fault);
  }
}

export const oidcPart: PolicyPart<z.ZodType> = {
  key: 'oidc',
  summary: 'Logs people in by OpenID Connect before their requests pass.',
  schema,
  check,
  fields: oidcFields,
  notes: oidcNotes,
  refusals: oidcRefusals,
  example: `issuer: https://login.test
clientId: shop
secretName: shop-login
authorizationEndpoint: https://login.test/authorize
tokenEndpoint: {host: login.test, port: 443, path: /token}
endSessionEndpoint: https://login.test/logout
scopes: [profile, email, offline_access]
redirectUris: [https://shop.test/oauth2/callback]
session: {maxAge: 12h, idleTimeout: 30m}
claimHeaders: [{header: x-user, claim: email}]
except: [/healthz, /static/*]
`,
};
