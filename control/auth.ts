/** Bearer tokens `lat_<id>_<secret>`: stored as hashes, closed by default. */
import { TOKEN_PROTOCOL } from '../src/delivery/messages.ts';
import { sha256Hex } from '../src/lib/hash.ts';
import type { ProxyScope } from '../src/model/snapshot.ts';
import type { Store } from '../src/model/store.ts';
import type { Role } from './access/rights.ts';
import { includesRole } from './access/rights.ts';
import { Problem } from './problem.ts';

export type { Role } from './access/rights.ts';

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly createdMs: number;
  /** Absent: until it is revoked. */
  readonly expiresMs?: number;
  /** What it reaches; absent: all namespaces. */
  readonly namespaces?: readonly string[];
  /** For role proxy: whose configuration it may read. */
  readonly scopes?: readonly ProxyScope[];
  /** For role proxy: who its proxies are, in the namespace of their scopes. */
  readonly serviceAccount?: string;
  /** Made by a login of a person: gone with it. */
  readonly isSession?: true;
  /** The token that it took the place of. */
  readonly rotatedFrom?: string;
}

export interface Principal {
  readonly name: string;
  readonly role: Role;
  /** Absent: all namespaces. */
  readonly namespaces?: readonly string[];
  readonly scopes: readonly ProxyScope[];
  /** Absent for the first administrator's, and for machines by certificate. */
  readonly tokenId?: string;
  readonly expiresMs?: number;
  /** Of a proxy, in the namespace of its scopes. */
  readonly serviceAccount?: string;
  /** Of a machine's certificate, lower-case hex. */
  readonly serial?: string;
  readonly by: 'bootstrap' | 'token' | 'session' | 'certificate';
}

export const TOKEN_PREFIX = '!token/';
const TOKEN = /^lat_([0-9a-f]{16})_[0-9a-f]{48}$/;
/** Of the first administrator's token too, which its operator chose. */
const BEARER = /^Bearer ([\x21-\x7e]{1,256})$/;
/** Looked up for who shows nothing that a token could be: as much work as for who does. */
const NOBODY = '0'.repeat(16);

export async function listTokens(store: Store): Promise<TokenRecord[]> {
  const { records } = await store.list(TOKEN_PREFIX);
  return records.map(({ value }) => JSON.parse(value) as TokenRecord);
}

/** Who opens a WebSocket in a browser's way can't set the field, but can offer subprotocols. */
function offered(request: Request): string | undefined {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return undefined;
  const protocols = (request.headers.get('sec-websocket-protocol') ?? '').split(',');
  const found = protocols.map((one) => one.trim()).find((one) => one.startsWith(TOKEN_PROTOCOL));
  return found === undefined ? undefined : `Bearer ${found.slice(TOKEN_PROTOCOL.length)}`;
}

/** The token that a request shows; undefined = it shows none. @throws Problem 401 when it is written otherwise */
export function bearerOf(request: Request): string | undefined {
  const value = request.headers.get('authorization') ?? offered(request);
  if (value === undefined) return undefined;
  const token = BEARER.exec(value)?.[1];
  if (token === undefined)
    throw new Problem(401, 'unauthorized', 'want one field Authorization: Bearer <token>');
  return token;
}

/** Both are hashes of one length; every character is compared, whatever the first difference. */
export function sameHash(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ (b.charCodeAt(i) || 0);
  return difference === 0;
}

export interface Known {
  /** SHA-256 of the first administrator's token. */
  readonly bootstrapHash: string;
  readonly nowMs: number;
}

export function principalOf(record: TokenRecord): Principal {
  const { id, name, role, namespaces, scopes = [], expiresMs, isSession, serviceAccount } = record;
  return {
    name,
    role,
    scopes,
    tokenId: id,
    by: isSession === true ? 'session' : 'token',
    ...(namespaces === undefined ? {} : { namespaces }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
}

/** Hashes are compared, never tokens; the work is the same whether the id is known or not. @throws Problem 401 */
export async function authenticate(token: string, store: Store, known: Known): Promise<Principal> {
  const hash = sha256Hex(token);
  const id = TOKEN.exec(token)?.[1] ?? NOBODY;
  const found = await store.get(TOKEN_PREFIX + id);
  const record = found === undefined ? undefined : (JSON.parse(found.value) as TokenRecord);
  const isBootstrap = sameHash(hash, known.bootstrapHash);
  const isRecord = sameHash(hash, record?.hash ?? known.bootstrapHash);
  if (isBootstrap) return { name: 'bootstrap', role: 'admin', scopes: [], by: 'bootstrap' };
  if (record === undefined || !isRecord)
    throw new Problem(401, 'unauthorized', 'the token is not known');
  if (record.expiresMs !== undefined && known.nowMs >= record.expiresMs)
    throw new Problem(401, 'unauthorized', 'the token has expired');
  return principalOf(record);
}

/** Is the credential of a request that goes on still good? */
export async function isStillGood(
  { tokenId, expiresMs }: Principal,
  store: Store,
  nowMs: number,
): Promise<boolean> {
  if (tokenId === undefined) return expiresMs === undefined || nowMs < expiresMs;
  const found = await store.get(TOKEN_PREFIX + tokenId);
  if (found === undefined) return false;
  const { expiresMs: endsMs } = JSON.parse(found.value) as TokenRecord;
  return endsMs === undefined || nowMs < endsMs;
}

/**
 * For what is of the whole mesh: a credential of some namespaces is refused whatever its role.
 * @throws Problem 403
 */
export function requireRole(principal: Principal, role: Role): void {
  if (!includesRole(principal.role, role))
    throw new Problem(403, 'forbidden', `role ${principal.role} may not do this, want ${role}`);
  if (principal.namespaces !== undefined && role !== 'proxy')
    throw new Problem(
      403,
      'forbidden',
      `this is of the whole mesh, the credential of namespaces ${principal.namespaces.join(', ')}`,
    );
}
