/** What a verified token leaves on a request: identity, payload header, claim headers. */
import type { Exchange } from '../../model/exchange.ts';
import type { JwtRuleConfig } from './config.ts';
import type { Verified } from './verify.ts';
import { audiencesOf } from './verify.ts';

/** Header names that a CGI-like backend would read as the same variable. */
function aliases(name: string): string[] {
  return name.includes('-') ? [name, name.replaceAll('-', '_')] : [name];
}

/** Clients never say what only a verified token may. */
export function clearOutputs(x: Exchange, rules: readonly JwtRuleConfig[]): void {
  for (const { outputPayloadToHeader, outputClaimToHeaders } of rules) {
    const names = outputClaimToHeaders.map(({ header }) => header);
    if (outputPayloadToHeader !== undefined) names.push(outputPayloadToHeader);
    for (const name of names.flatMap((header) => aliases(header)))
      if (x.request.has(name)) x.request.remove(name);
  }
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
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes));
}

/** False = a claim holds a line break that would end a header: the request can't be sent on. */
export function applyIdentity(x: Exchange, rule: JwtRuleConfig, verified: Verified): boolean {
  const { claims, payload } = verified;
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : '';
  const subject = typeof claims['sub'] === 'string' ? claims['sub'] : '';
  const presenter = typeof claims['azp'] === 'string' ? { presenter: claims['azp'] } : {};
  x.identity = {
    principal: issuer !== '' && subject !== '' ? `${issuer}/${subject}` : '',
    issuer,
    subject,
    audiences: audiencesOf(claims),
    claims,
    spaceDelimitedClaims: rule.spaceDelimitedClaims,
    ...presenter,
  };
  if (rule.outputPayloadToHeader !== undefined) x.request.set(rule.outputPayloadToHeader, payload);
  for (const { header, claim } of rule.outputClaimToHeaders) {
    const text = claimText(claimAt(claims, claim));
    if (text === undefined) continue;
    if (/[\r\n\0]/.test(text)) return false;
    x.request.set(header, text);
  }
  return true;
}
