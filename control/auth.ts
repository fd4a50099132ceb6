/** Bearer tokens `lat_<id>_<secret>`: stored as hashes, closed by default. */
import { TOKEN_PROTOCOL } from '../src/delivery/messages.ts';
import { sha256Hex } from '../src/lib/hash.ts';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import { Problem } from './problem.ts';

export type Role = 'viewer' | 'operator' | 'editor' | 'security-admin' | 'admin' | 'proxy';

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly createdMs: number;
  /** Absent: until it is revoked. */
  readonly expiresMs?: number;
  /** For role proxy: whose configuration it may read. */
  readonly scopes?: readonly ProxyScope[];
  /** For role proxy: who its proxies are, in the namespace of their scopes. */
  readonly serviceAccount?: string;
}

export interface Principal {
  readonly name: string;
  readonly role: Role;
  readonly scopes: readonly ProxyScope[];
  /** Absent for the first administrator's. */
  readonly tokenId?: string;
  readonly expiresMs?: number;
  /** Of a proxy, in the namespace of its scopes. */
  readonly serviceAccount?: string;
}

const RANK: Readonly<Record<Role, number>> = {
  proxy: 0,
  viewer: 1,
  operator: 2,
  editor: 3,
  'security-admin': 4,
  admin: 5,
};
export const TOKEN_PREFIX = '!token/';
const TOKEN = /^lat_([0-9a-f]{16})_[0-9a-f]{48}$/;

export async function listTokens(store: Store): Promise<TokenRecord[]> {
  const { records } = await store.list(TOKEN_PREFIX);
  return records.map(({ value }) => JSON.parse(value) as TokenRecord);
}

/** Who opens a WebSocket in a browser's way can't set the field, but can offer subprotocols. */
function offered(request: Request): string {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return '';
  const protocols = (request.headers.get('sec-websocket-protocol') ?? '').split(',');
  const found = protocols.map((one) => one.trim()).find((one) => one.startsWith(TOKEN_PROTOCOL));
  return found === undefined ? '' : `Bearer ${found.slice(TOKEN_PROTOCOL.length)}`;
}

function bearer(request: Request): string {
  const value = request.headers.get('authorization') ?? offered(request);
  if (!value.startsWith('Bearer ') || value.length > 512)
    throw new Problem(401, 'unauthorized', 'a bearer token is required');
  return value.slice(7).trim();
}

/** Both are hashes of one length; every character is compared, whatever the first difference. */
function sameHash(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ (b.charCodeAt(i) || 0);
  return difference === 0;
}

/** Hashes are compared, never tokens. @throws Problem 401 */
export async function authenticate(
  request: Request,
  store: Store,
  known: { readonly bootstrapHash: string; readonly nowMs: number },
): Promise<Principal> {
  const token = bearer(request);
  const hash = sha256Hex(token);
  if (sameHash(hash, known.bootstrapHash)) return { name: 'bootstrap', role: 'admin', scopes: [] };
  const id = TOKEN.exec(token)?.[1];
  const found = id === undefined ? undefined : await store.get(TOKEN_PREFIX + id);
  const record = found === undefined ? undefined : (JSON.parse(found.value) as TokenRecord);
  if (record === undefined || !sameHash(hash, record.hash))
    throw new Problem(401, 'unauthorized', 'the token is not known');
  if (record.expiresMs !== undefined && known.nowMs >= record.expiresMs)
    throw new Problem(401, 'unauthorized', 'the token has expired');
  const { name, role, scopes = [], expiresMs, serviceAccount } = record;
  return {
    name,
    role,
    scopes,
    tokenId: record.id,
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
}

export function requireRole(principal: Principal, role: Role): void {
  const isProxy = principal.role === 'proxy' || role === 'proxy';
  const isEnough = isProxy ? principal.role === role : RANK[principal.role] >= RANK[role];
  if (!isEnough)
    throw new Problem(403, 'forbidden', `role ${principal.role} may not do this, want ${role}`);
}
