/** What a token may be: how long it holds by its role, and that nobody hands out more than they have. */
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { Principal, TokenRecord } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { Role } from './rights.ts';
import { exceeds } from './rights.ts';

const DAY_MS = 24 * 3600 * 1000;

interface Lifetime {
  readonly maxMs: number;
  /** Of who asks for none; absent: until it is revoked. */
  readonly defaultMs?: number;
}

/** The more a token may do, the sooner it ends. A proxy's may be without end: nobody is there to renew it. */
const LIFETIMES: Readonly<Record<Role, Lifetime>> = {
  viewer: { maxMs: 366 * DAY_MS, defaultMs: 90 * DAY_MS },
  operator: { maxMs: 366 * DAY_MS, defaultMs: 90 * DAY_MS },
  editor: { maxMs: 366 * DAY_MS, defaultMs: 90 * DAY_MS },
  'security-admin': { maxMs: 90 * DAY_MS, defaultMs: 30 * DAY_MS },
  admin: { maxMs: 90 * DAY_MS, defaultMs: 30 * DAY_MS },
  proxy: { maxMs: 366 * DAY_MS },
};

/** When a new token ends. @throws Problem 400 beyond what its role has, 403 beyond what its maker has */
export function endOf(
  maker: Principal,
  role: Role,
  options: { readonly nowMs: number; readonly ttlMs?: number },
): number | undefined {
  const { maxMs, defaultMs } = LIFETIMES[role];
  const { nowMs, ttlMs } = options;
  if (ttlMs !== undefined && ttlMs > maxMs)
    throw new Problem(
      400,
      'bad request',
      `ttlSeconds ${ttlMs / 1000}: a token of role ${role} holds at most ${maxMs / DAY_MS} days`,
    );
  const wantedMs = ttlMs ?? defaultMs;
  const { expiresMs } = maker;
  if (expiresMs === undefined) return wantedMs === undefined ? undefined : nowMs + wantedMs;
  if (ttlMs !== undefined && nowMs + ttlMs > expiresMs)
    throw new Problem(
      403,
      'forbidden',
      `the token would outlive the one that makes it, which ends at ${new Date(expiresMs).toISOString()}`,
    );
  return Math.min(expiresMs, nowMs + (wantedMs ?? Number.POSITIVE_INFINITY));
}

type Reach = Pick<TokenRecord, 'role' | 'namespaces' | 'scopes'>;

/** Namespaces that a token reaches: a proxy's are those of its scopes. */
const reachOf = ({ namespaces, scopes }: Reach): readonly string[] | undefined =>
  scopes === undefined ? namespaces : scopes.map(({ namespace }) => namespace);

/**
 * A gateway is chosen by labels, also from other namespaces, and reads the keys that these name: a credential of some
 * namespaces makes no token for one.
 */
function reachesOut({ type }: ProxyScope): boolean {
  return type === 'gateway';
}

/** @throws Problem 403 */
export function requireWithin(maker: Principal, wanted: Reach): void {
  const namespaces = reachOf(wanted);
  const refusal = exceeds(maker, {
    role: wanted.role,
    ...(namespaces === undefined ? {} : { namespaces }),
  });
  if (refusal !== undefined) throw new Problem(403, 'forbidden', refusal);
  if (maker.namespaces !== undefined && (wanted.scopes ?? []).some((scope) => reachesOut(scope)))
    throw new Problem(
      403,
      'forbidden',
      'a gateway reads what other namespaces bind to it: its token is made by who has all namespaces',
    );
}

/** May it be seen and ended by this credential? */
export function isWithin(holder: Principal, token: Reach): boolean {
  const { namespaces } = holder;
  if (namespaces === undefined) return true;
  const reach = reachOf(token);
  return reach !== undefined && reach.every((one) => namespaces.includes(one));
}
