/** Tokens of the control plane that outlive their use. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Weakness } from './codes.ts';
import { diagnosticOf } from './codes.ts';

/** What is known of a token without its secret. */
export interface TokenFacts {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly createdMs: number;
  readonly expiresMs?: number;
  readonly lastUsedMs?: number;
  readonly namespaces?: readonly string[];
}

const DAY_MS = 24 * 3600 * 1000;
const LONG_MS = 90 * DAY_MS;
/** A token that is to be used is used within so long, */
const NEW_MS = 7 * DAY_MS;
/** and then again. */
const QUIET_MS = 90 * DAY_MS;
const MANY_ADMINS = 3;

const days = (ms: number): number => Math.floor(ms / DAY_MS);

function weaknessesOf(token: TokenFacts, nowMs: number): Weakness[] {
  const { role, createdMs, expiresMs, lastUsedMs, namespaces } = token;
  const found: Weakness[] = [];
  const leftMs = (expiresMs ?? Number.POSITIVE_INFINITY) - nowMs;
  if (leftMs <= 0) return [];
  if (expiresMs === undefined)
    found.push({
      code: 'LAT0741',
      message: 'it holds until it is revoked',
      // A proxy has nobody who would renew it.
      ...(role === 'proxy' ? { level: 'info' as const } : {}),
    });
  else if (leftMs > LONG_MS)
    found.push({ code: 'LAT0741', message: `it holds for ${days(leftMs)} more days` });
  if ((role === 'editor' || role === 'security-admin') && namespaces === undefined)
    found.push({ code: 'LAT0742', message: `role ${role} without namespaces` });
  if (lastUsedMs === undefined && nowMs - createdMs > NEW_MS)
    found.push({
      code: 'LAT0743',
      message: `it was made ${days(nowMs - createdMs)} days ago and never used`,
    });
  if (lastUsedMs !== undefined && nowMs - lastUsedMs > QUIET_MS)
    found.push({
      code: 'LAT0743',
      message: `it was last used ${days(nowMs - lastUsedMs)} days ago`,
    });
  return found;
}

export function hardenTokens(tokens: readonly TokenFacts[], nowMs: number): Diagnostic[] {
  const found = tokens.flatMap((token) =>
    weaknessesOf(token, nowMs).map((weakness) =>
      diagnosticOf(weakness, { resource: `Token ${token.id} (${token.name})` }),
    ),
  );
  const admins = tokens.filter(
    ({ role, namespaces, expiresMs }) =>
      role === 'admin' &&
      namespaces === undefined &&
      (expiresMs ?? Number.POSITIVE_INFINITY) > nowMs,
  );
  if (admins.length > MANY_ADMINS)
    found.push(
      diagnosticOf({
        code: 'LAT0744',
        message: `${admins.length} tokens of role admin reach the whole mesh`,
      }),
    );
  return found;
}
