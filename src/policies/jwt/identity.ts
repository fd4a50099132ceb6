/** What a verified token leaves on a request: identity, payload header, claim headers. */
import type { Exchange } from '../../model/exchange.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { JwtRuleConfig } from './config.ts';
import type { Verified } from './verify.ts';
import { audiencesOf } from './verify.ts';

/** More seams than any real name has; beyond them only the two plain spellings are known. */
const MAX_SEAMS = 6;

/** Header names that a CGI-like backend would read as the same variable: each seam written with - or _. */
function aliases(name: string): string[] {
  const parts = name.split(/[-_]/);
  if (parts.length - 1 > MAX_SEAMS)
    return [name, name.replaceAll('-', '_'), name.replaceAll('_', '-')];
  let names = [parts[0] ?? ''];
  for (const part of parts.slice(1))
    names = names.flatMap((before) => [`${before}-${part}`, `${before}_${part}`]);
  return names;
}

/** Headers that only a verified token may fill: clients never say them. */
export function outputNames(rules: readonly JwtRuleConfig[]): readonly string[] {
  const names = rules.flatMap(({ outputPayloadToHeader, outputClaimToHeaders }) => [
    ...outputClaimToHeaders.map(({ header }) => header),
    ...(outputPayloadToHeader === undefined ? [] : [outputPayloadToHeader]),
  ]);
  return [...new Set(names.flatMap((name) => aliases(name)))];
}

function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = claims;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
  }
  return value;
}

/** Texts, integers and booleans as they are; lists and objects as padded base64 of their JSON. */
function claimText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 0 ? String(value) : value.toFixed(6);
  if (value === null || value === undefined) return undefined;
  return btoa(utf8(JSON.stringify(value)));
}

/** One character a byte: beyond latin1 a character would lose its upper half on the wire, and U+010A become a line feed. */
function utf8(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  let out = '';
  for (const byte of new TextEncoder().encode(text)) out += String.fromCharCode(byte);
  return out;
}

/** What every request with the same token gets. */
interface Outputs {
  readonly identity: RequestIdentity;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** A claim holds a control that would end or spoil a header: no request with it can be sent on. */
  readonly isUnsendable: boolean;
}

/** A verified token belongs to one rule, so does what is made of it. */
const known = new WeakMap<Verified, Outputs>();

function outputsOf(rule: JwtRuleConfig, { claims, payload }: Verified): Outputs {
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : '';
  const subject = typeof claims['sub'] === 'string' ? claims['sub'] : '';
  const presenter = typeof claims['azp'] === 'string' ? { presenter: claims['azp'] } : {};
  const headers: [string, string][] = [];
  if (rule.outputPayloadToHeader !== undefined) headers.push([rule.outputPayloadToHeader, payload]);
  for (const { header, claim } of rule.outputClaimToHeaders) {
    const text = claimText(claimAt(claims, claim));
    if (text !== undefined) headers.push([header, utf8(text)]);
  }
  return {
    identity: {
      principal: issuer !== '' && subject !== '' ? `${issuer}/${subject}` : '',
      issuer,
      subject,
      audiences: audiencesOf(claims),
      claims,
      spaceDelimitedClaims: rule.spaceDelimitedClaims,
      ...presenter,
    },
    headers,
    isUnsendable: headers.some(([, text]) => /[\x00-\x08\x0a-\x1f\x7f]/.test(text)),
  };
}

/** False = the request can't be sent on. */
export function applyIdentity(x: Exchange, rule: JwtRuleConfig, verified: Verified): boolean {
  let outputs = known.get(verified);
  if (outputs === undefined) {
    outputs = outputsOf(rule, verified);
    known.set(verified, outputs);
  }
  x.identity = outputs.identity;
  if (outputs.isUnsendable) return false;
  for (const [name, value] of outputs.headers) x.request.set(name, value);
  return true;
}
