/** Values of headers: `${name}`, `${name|default}`, `$${` for the text `${`. */
import { closest } from '../../lib/similar.ts';
import type { PlainName, TemplatePart, TemplateSource } from './config.ts';

export const PLAIN_NAMES: readonly PlainName[] = [
  'request.id',
  'request.method',
  'request.scheme',
  'request.host',
  'request.path',
  'request.query',
  'client.ip',
  'client.country',
  'source.principal',
  'jwt.issuer',
  'jwt.subject',
  'route.name',
  'trace.id',
  'response.status',
];

/** What is wrong with a template, and where: `at` counts from 0. */
export class TemplateError extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'TemplateError';
    this.at = at;
  }
}

/** RFC 9110, 5.6.2. */
export const FIELD_NAME: RegExp = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A default ends the name, so a name that holds a bar can't be asked for. */
const HEADER = /^(request|response)\.header\.([!#$%&'*+.^_`~0-9A-Za-z-]+)$/;
const CLAIMS = /^jwt\.claims((?:\.[-\w]+|\[[^\][]+\])+)$/;
const FAMILIES = ['request.header', 'response.header', 'jwt.claims'];
const CLAIM_STEP = /\.([-\w]+)|\[([^\][]+)\]/g;
/** A field's value is visible text; the rest can't be sent, or would begin another field. */
const UNSENDABLE = /[^\t\x20-\x7e]/;

/** `request.headers.x-id` was meant as `request.header.x-id`. */
function nearName(name: string): string | undefined {
  const [first = '', second = '', ...rest] = name.split('.');
  const family = closest(`${first}.${second}`, FAMILIES);
  return rest.length > 0 && family !== undefined
    ? `${family}.${rest.join('.')}`
    : closest(name, PLAIN_NAMES);
}

function sourceOf(name: string, at: number): TemplateSource {
  const plain = PLAIN_NAMES.find((known) => known === name);
  if (plain !== undefined) return { of: plain };
  const header = HEADER.exec(name);
  if (header !== null)
    return {
      of: header[1] === 'request' ? 'request.header' : 'response.header',
      name: (header[2] ?? '').toLowerCase(),
    };
  const claims = CLAIMS.exec(name);
  if (claims !== null)
    return {
      of: 'jwt.claims',
      path: [...(claims[1] ?? '').matchAll(CLAIM_STEP)].map((step) => step[1] ?? step[2] ?? ''),
    };
  const near = nearName(name);
  const also = 'request.header.NAME, response.header.NAME, jwt.claims.NAME';
  throw new TemplateError(
    `${JSON.stringify(name)} is no name of a value${near === undefined ? `, want one of ${PLAIN_NAMES.join(', ')}, ${also}` : `, did you mean ${near}?`}`,
    at,
  );
}

function checkText(text: string, start: number): void {
  const bad = UNSENDABLE.exec(text);
  if (bad !== null)
    throw new TemplateError(
      `character U+${(bad[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')} can't stand in a header, want visible ASCII, spaces and tabs`,
      start + bad.index,
    );
}

/** @throws TemplateError with the place of what is wrong. */
export function parseTemplate(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('${', at);
    if (open < 0) break;
    if (text[open - 1] === '$' && open > at) {
      literal += `${text.slice(at, open - 1)}\${`;
      at = open + 2;
      continue;
    }
    literal += text.slice(at, open);
    const close = text.indexOf('}', open);
    if (close < 0)
      throw new TemplateError('"${" has no "}", want ${name} or $${ for the text', open);
    const inner = text.slice(open + 2, close);
    const bar = inner.indexOf('|');
    const from = sourceOf(bar < 0 ? inner : inner.slice(0, bar), open + 2);
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(bar < 0 ? { from } : { from, otherwise: inner.slice(bar + 1) });
    at = close + 1;
  }
  literal += text.slice(at);
  if (literal !== '') parts.push(literal);
  checkText(text, 0);
  return parts;
}
