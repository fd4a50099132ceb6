/** Sessions of people: tokens that a login makes, shown as bearer by the command line and as a cookie by browsers. */
import { sha256Hex } from '../../src/lib/hash.ts';
import type { Store, StoreChange } from '../../src/model/store.ts';
import type { TokenRecord } from '../auth.ts';
import { TOKEN_PREFIX, listTokens, sameHash } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { Login } from './oidc.ts';

/** Open sessions of one person; the oldest goes for a new one. */
const MAX_OF_PERSON = 20;
const MAX_SESSIONS = 10_000;
/** Those that are over, dropped at once. */
const MAX_DROPPED = 200;
/** `__Host-`: browsers take it over TLS alone, for this host, from its own answer. */
const SECURE_NAME = '__Host-lateen';
const PLAIN_NAME = 'lateen';
const STORED = /^lat_[0-9a-f]{16}_[0-9a-f]{48}$/;

export const CSRF_FIELD = 'x-lateen-csrf';

/** What a page of ours can know and another can't: it follows from the cookie, which no page can read. */
export function csrfOf(token: string): string {
  return sha256Hex(`csrf ${token}`).slice(0, 32);
}

const isSecure = (request: Request): boolean => new URL(request.url).protocol === 'https:';

export function cookieOf(request: Request, token: string, maxAgeSeconds: number): string {
  const secure = isSecure(request);
  return `${secure ? SECURE_NAME : PLAIN_NAME}=${token}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}

/**
 * The session of a browser; undefined = it has none. What changes something shows the CSRF token beside it.
 * @throws Problem 401, 403
 */
export function sessionOf(request: Request): string | undefined {
  const name = isSecure(request) ? SECURE_NAME : PLAIN_NAME;
  const values = (request.headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [token] = values;
  if (token === undefined) return undefined;
  if (values.length > 1 || !STORED.test(token))
    throw new Problem(401, 'unauthorized', `want one cookie ${name}: log in again`);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead && !sameHash(request.headers.get(CSRF_FIELD) ?? '', csrfOf(token)))
    throw new Problem(403, 'forbidden', `want ${CSRF_FIELD}, as the login answered it`);
  return token;
}

export interface NewSession extends Login {
  readonly id: string;
  readonly token: string;
  readonly nowMs: number;
  readonly expiresMs: number;
  /** That its token is used; conflicts when it was. */
  readonly alongside: readonly StoreChange[];
}

/** Stores it, and drops those that are over. @throws Problem 401 when its token was used, 503 when too many are open */
export async function openSession(store: Store, session: NewSession): Promise<TokenRecord> {
  const { id, token, name, role, namespaces, nowMs, expiresMs } = session;
  const sessions = (await listTokens(store)).filter(({ isSession }) => isSession === true);
  const isOver = ({ expiresMs: endsMs = 0 }: TokenRecord): boolean => endsMs <= nowMs;
  const over = sessions.filter((one) => isOver(one)).slice(0, MAX_DROPPED);
  const open = sessions.filter((one) => !isOver(one));
  if (open.length >= MAX_SESSIONS)
    throw new Problem(503, 'unavailable', 'too many sessions are open: try again later');
  const own = open
    .filter((one) => one.name === name)
    .toSorted((a, b) => b.createdMs - a.createdMs)
    .slice(MAX_OF_PERSON - 1);
  const record: TokenRecord = {
    id,
    name,
    role,
    hash: sha256Hex(token),
    createdMs: nowMs,
    expiresMs,
    isSession: true,
    ...(namespaces === undefined ? {} : { namespaces }),
  };
  const changes: StoreChange[] = [
    ...session.alongside,
    { op: 'put', key: TOKEN_PREFIX + id, value: JSON.stringify(record) },
    ...[...over, ...own].map((one): StoreChange => ({ op: 'delete', key: TOKEN_PREFIX + one.id })),
  ];
  const result = await store.commit(changes, {
    actor: name,
    message: `login ${name}`,
    atMs: nowMs,
  });
  if (!result.ok) throw new Problem(401, 'unauthorized', 'ID token: it was used before');
  return record;
}
