/** Whether a certificate shows the name that is wanted: RFC 6125 without its leniencies, and SPIFFE's identities. */
import { isIP } from 'node:net';
import type { SubjectNames } from './extensions.ts';
import { canonicalIp } from './ip.ts';

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

/**
 * A wildcard is the whole first label, stands for one label, and has at least two behind it. Nothing of the subject's
 * common name counts.
 */
export function dnsNameFits(shown: string, wanted: string): boolean {
  const name = wanted.toLowerCase().replace(/\.$/, '');
  const pattern = shown.replace(/\.$/, '');
  const labels = name.split('.');
  if (!labels.every((label) => LABEL.test(label))) return false;
  if (pattern === name) return true;
  if (!pattern.startsWith('*.')) return false;
  const suffix = pattern.slice(2);
  return suffix.includes('.') && labels.length > 2 && labels.slice(1).join('.') === suffix;
}

/** For a host that is connected to, name or address. */
export function hostFits(names: SubjectNames, host: string): boolean {
  if (isIP(host) !== 0) return names.ips.includes(canonicalIp(host));
  return names.dns.some((shown) => dnsNameFits(shown, host));
}

/** For names that a configuration lists: each stands for a name of any type, exactly. */
export function subjectFits(names: SubjectNames, wanted: string): boolean {
  if (wanted === '') return false;
  return names.uris.includes(wanted) || names.emails.includes(wanted) || hostFits(names, wanted);
}

const SPIFFE = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;
const MAX_ID = 2048;

/** The identity that a certificate proves, without its scheme; one with several proves none. */
export function spiffeIdentity({ uris }: SubjectNames): string | undefined {
  const [uri = ''] = uris;
  const match = uris.length === 1 && uri.length <= MAX_ID ? SPIFFE.exec(uri) : null;
  const path = match?.[2];
  if (path === undefined || path.split('/').some((part) => part === '.' || part === '..'))
    return undefined;
  return `${match?.[1] ?? ''}${path}`;
}
