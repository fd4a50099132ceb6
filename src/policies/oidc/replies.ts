/** What a client gets in place of the page. Nothing of it may be kept by anybody. */
import type { LocalReply } from '../../model/exchange.ts';

const NO_STORE = ['cache-control', 'no-store'] as const;

const cookieFields = (cookies: readonly string[]): (readonly [string, string])[] =>
  cookies.map((cookie) => ['set-cookie', cookie] as const);

export function redirect(
  status: 302 | 303,
  location: string,
  { cookies, details }: { readonly cookies: readonly string[]; readonly details: string },
): LocalReply {
  return {
    status,
    body: '',
    headers: [['location', location], NO_STORE, ...cookieFields(cookies)],
    flag: '',
    details,
  };
}

const BODIES = {
  400: 'login failed',
  401: 'login required',
  403: 'login refused',
  405: 'method not allowed',
  500: 'login failed',
  502: 'login failed',
  503: 'login unavailable',
} as const;

export function refuse(
  status: keyof typeof BODIES,
  details: string,
  cookies: readonly string[] = [],
): LocalReply {
  return {
    status,
    body: BODIES[status],
    headers: [
      ['content-type', 'text/plain'],
      NO_STORE,
      ...(status === 405 ? [['allow', 'POST'] as const] : []),
      // No scheme of Authorization helps here (RFC 9110 wants one named): the page has to be opened.
      ...(status === 401 ? [['www-authenticate', 'OpenIDConnect'] as const] : []),
      ...cookieFields(cookies),
    ],
    flag: '',
    details,
  };
}
