import { z } from 'zod';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';
import type { HeaderKey } from './presets.ts';
import { HEADERS, PRESETS } from './presets.ts';

const MAX_VALUE = 4096;
const MAX_REMOVED = 64;

const value = z
  .string()
  .max(MAX_VALUE, { error: `a value takes at most ${MAX_VALUE.toLocaleString('en')} characters` })
  .optional();

const schema = z.strictObject({
  preset: z
    .enum(['strict', 'api', 'off'], { error: 'preset is one of strict, api, off' })
    .optional(),
  overwrite: z.boolean().optional(),
  remove: z
    .array(z.string())
    .max(MAX_REMOVED, { error: `a list takes at most ${MAX_REMOVED}` })
    .optional(),
  strictTransportSecurity: value,
  contentSecurityPolicy: value,
  contentSecurityPolicyReportOnly: value,
  contentTypeOptions: value,
  referrerPolicy: value,
  permissionsPolicy: value,
  frameOptions: value,
  crossOriginOpenerPolicy: value,
  crossOriginEmbedderPolicy: value,
  crossOriginResourcePolicy: value,
});

export interface SecurityHeadersPart extends Readonly<Partial<Record<HeaderKey, string>>> {
  readonly preset?: 'strict' | 'api' | 'off';
  readonly overwrite?: boolean;
  readonly remove?: readonly string[];
}

const REFERRER =
  'no-referrer|no-referrer-when-downgrade|origin|origin-when-cross-origin|same-origin|strict-origin|strict-origin-when-cross-origin|unsafe-url';

/** Those with a grammar of few words; a mistyped one would be ignored by every browser. */
const FORMS: Readonly<Partial<Record<HeaderKey, readonly [form: RegExp, wanted: string]>>> = {
  strictTransportSecurity: [
    /^max-age=\d{1,10}(?:; includeSubDomains)?(?:; preload)?$/,
    'max-age=<seconds>, then "; includeSubDomains" and "; preload"',
  ],
  contentTypeOptions: [/^nosniff$/, 'nosniff'],
  referrerPolicy: [new RegExp(`^(?:${REFERRER})(?:, ?(?:${REFERRER}))*$`), 'a referrer policy'],
  frameOptions: [/^(?:DENY|SAMEORIGIN)$/, 'DENY or SAMEORIGIN'],
  crossOriginOpenerPolicy: [
    /^(?:same-origin|same-origin-allow-popups|noopener-allow-popups|unsafe-none)(?:; report-to="[\w-]+")?$/,
    'same-origin, same-origin-allow-popups, noopener-allow-popups or unsafe-none',
  ],
  crossOriginEmbedderPolicy: [
    /^(?:require-corp|credentialless|unsafe-none)(?:; report-to="[\w-]+")?$/,
    'require-corp, credentialless or unsafe-none',
  ],
  crossOriginResourcePolicy: [
    /^(?:same-origin|same-site|cross-origin)$/,
    'same-origin, same-site or cross-origin',
  ],
};

function checkValue(key: HeaderKey, text: string, report: ReportFault): void {
  if (text === '') return;
  const [form = /^[\x20-\x7e]+$/, wanted = 'visible ASCII'] = FORMS[key] ?? [];
  if (!form.test(text)) report(key, `${JSON.stringify(text)} is not ${wanted}`);
}

function checkPreload(text: string, report: ReportFault): void {
  const seconds = Number(/max-age=(\d+)/.exec(text)?.[1] ?? 0);
  if (text.includes('preload') && (seconds < 31_536_000 || !text.includes('includeSubDomains')))
    report(
      'strictTransportSecurity',
      'preload wants max-age=31536000 or more and includeSubDomains',
      'leave preload out, or set them',
    );
}

function check(given: unknown, report: ReportFault): void {
  const {
    preset: _preset,
    overwrite: _overwrite,
    remove = [],
    ...own
  } = given as SecurityHeadersPart;
  for (const [key, text] of Object.entries(own)) checkValue(key as HeaderKey, text, report);
  checkPreload(own.strictTransportSecurity ?? '', report);
  for (const [index, name] of remove.entries())
    if (
      !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) ||
      /^(?:content-|transfer-|connection$|set-cookie$|www-authenticate$|location$|upgrade$|trailer$|grpc-)/i.test(
        name,
      )
    )
      report(`remove[${index}]`, `${JSON.stringify(name)} is no header to remove here`);
}

const MEANINGS: Readonly<Record<HeaderKey, string>> = {
  strictTransportSecurity: 'Strict-Transport-Security; said over https alone',
  contentSecurityPolicy: 'Content-Security-Policy',
  contentSecurityPolicyReportOnly: 'Content-Security-Policy-Report-Only',
  contentTypeOptions: 'X-Content-Type-Options: `nosniff`',
  referrerPolicy: 'Referrer-Policy',
  permissionsPolicy: 'Permissions-Policy',
  frameOptions: 'X-Frame-Options: `DENY` or `SAMEORIGIN`',
  crossOriginOpenerPolicy: 'Cross-Origin-Opener-Policy',
  crossOriginEmbedderPolicy: 'Cross-Origin-Embedder-Policy',
  crossOriginResourcePolicy: 'Cross-Origin-Resource-Policy',
};

const presetRow = (key: HeaderKey): string =>
  `| \`${HEADERS[key]}\` | ${(['strict', 'api'] as const)
    .map((name) => PRESETS[name].headers[key])
    .map((text) => (text === undefined ? '' : `\`${text}\``))
    .join(' | ')} |`;

const NOTES = `A preset, and what differs from it: a key with text replaces the preset's, an empty text leaves the header out. What a backend says itself stays, unless \`overwrite\` is set.

| header | \`strict\` | \`api\` |
| --- | --- | --- |
${(Object.keys(HEADERS) as HeaderKey[]).map((key) => presetRow(key)).join('\n')}
| removed | ${PRESETS.strict.remove.map((name) => `\`${name}\``).join(', ')} | the same |

\`strict\` is for sites that load everything from their own origin; loosen its Content-Security-Policy with \`contentSecurityPolicyReportOnly\` first. \`api\` is for what no browser shows. \`off\` says nothing of itself.

- It holds for every response that leaves, redirects and refusals of the proxy itself included.
- Over plain HTTP Strict-Transport-Security is never said, nor passed on from a backend. Where another proxy ends TLS in front of this one, let that one say it.
- It runs in phase headers; [headers](headers.md) sees its work where it comes later on the way back.`;

export const securityHeadersPart: PolicyPart<z.ZodType> = {
  key: 'securityHeaders',
  summary: 'Tells browsers to be careful with responses, and takes out what tells of the server.',
  schema,
  check,
  fields: [
    {
      path: 'preset',
      type: '`strict`, `api` or `off`',
      meaning: 'what is said where nothing else stands here',
      default: '`strict`',
    },
    {
      path: 'overwrite',
      type: 'boolean',
      meaning: 'replaces what the backend says of these headers',
      default: 'false',
    },
    {
      path: 'remove',
      type: 'list of header names',
      meaning: 'taken out of responses',
      default: 'the preset’s',
    },
    ...(Object.keys(HEADERS) as HeaderKey[]).map((path) => ({
      path,
      type: 'text',
      meaning: MEANINGS[path],
      default: 'the preset’s; an empty text leaves it out',
    })),
  ],
  notes: NOTES,
  refusals: [],
  example: `preset: strict
contentSecurityPolicy: "default-src 'self'; img-src 'self' https://images.shop.test"
crossOriginEmbedderPolicy: ""
`,
};
