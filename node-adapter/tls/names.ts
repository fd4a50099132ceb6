/** Whether a certificate shows the name that is wanted: RFC 6125 without its leniencies. */
import { isIP } from 'node:net';
import type { SubjectNames } from '../../src/lib/x509/extensions.ts';
import { canonicalIp } from '../../src/lib/x509/ip.ts';

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
