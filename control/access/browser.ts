/**
 * What a browser could be made to send by a page that isn't ours: refused before anything is read. Nothing here answers
 * to another origin, so there is no CORS at all.
 */
import { Problem } from '../problem.ts';

function hostOf(value: string): string {
  return value.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

/**
 * A name that leads to this address although it isn't ours is how a page reaches a server on loopback.
 * @throws Problem 421
 */
export function requireHost(request: Request, allowed: readonly string[] | undefined): void {
  if (allowed === undefined) return;
  const host = hostOf(request.headers.get('host') ?? '');
  if (!allowed.includes(host))
    throw new Problem(
      421,
      'misdirected request',
      `Host ${host.slice(0, 80)} is not one that this control plane answers to (--allowed-host adds one)`,
    );
}

/** @throws Problem 403 when a browser says that another origin's page asks */
export function requireOwnOrigin(request: Request): void {
  const origin = request.headers.get('origin');
  const site = request.headers.get('sec-fetch-site');
  const isOwn =
    origin === null || originHost(origin) === request.headers.get('host')?.toLowerCase();
  if (isOwn && (site === null || site === 'same-origin' || site === 'none')) return;
  throw new Problem(403, 'forbidden', 'pages of other origins may not ask this control plane');
}

function originHost(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** On every answer, errors and all. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};
