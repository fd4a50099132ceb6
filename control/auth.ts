/** Bearer tokens: stored as hashes, closed by default. */
import { sha256Hex } from '../src/lib/hash.ts';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import { Problem } from './problem.ts';

export type Role = 'viewer' | 'editor' | 'admin' | 'proxy';

export interface TokenRecord {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  /** For role proxy: whose configuration it may read. */
  readonly scopes?: readonly ProxyScope[];
}

export interface Principal {
  readonly name: string;
  readonly role: Role;
  readonly scopes: readonly ProxyScope[];
}

const RANK: Readonly<Record<Role, number>> = { proxy: 0, viewer: 1, editor: 2, admin: 3 };
export const TOKEN_PREFIX = '!token/';

function bearer(request: Request): string {
  const value = request.headers.get('authorization') ?? '';
  if (!value.startsWith('Bearer ') || value.length > 512)
    throw new Problem(401, 'unauthorized', 'a bearer token is required');
  return value.slice(7).trim();
}

/** Hashes are compared, so that timing tells nothing of the token; the record is found by its hash. */
export async function authenticate(
  request: Request,
  store: Store,
  bootstrapHash: string,
): Promise<Principal> {
  const hash = sha256Hex(bearer(request));
  if (hash === bootstrapHash) return { name: 'bootstrap', role: 'admin', scopes: [] };
  const found = await store.get(TOKEN_PREFIX + hash);
  if (found === undefined) throw new Problem(401, 'unauthorized', 'the token is not known');
  const record = JSON.parse(found.value) as TokenRecord;
  return { name: record.name, role: record.role, scopes: record.scopes ?? [] };
}

export function requireRole(principal: Principal, role: Role): void {
  const isProxy = principal.role === 'proxy' || role === 'proxy';
  const isEnough = isProxy ? principal.role === role : RANK[principal.role] >= RANK[role];
  if (!isEnough)
    throw new Problem(403, 'forbidden', `role ${principal.role} may not do this, want ${role}`);
}
