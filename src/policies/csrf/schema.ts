import { z } from 'zod';
import { parseOrigin } from '../../lib/origin.ts';
import { pathFault } from '../../lib/path-list.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

const MAX_ENTRIES = 256;

const texts = z
  .array(z.string())
  .max(MAX_ENTRIES, { error: `a list takes at most ${MAX_ENTRIES}` });

const schema = z.strictObject({
  additionalOrigins: texts.optional(),
  allowMissing: z.boolean().optional(),
  except: texts.optional(),
  shadow: z.boolean().optional(),
});

export interface CsrfPart {
  readonly additionalOrigins?: readonly string[];
  readonly allowMissing?: boolean;
  readonly except?: readonly string[];
  readonly shadow?: boolean;
}

function originFault(text: string): string | undefined {
  if (text === 'null') return undefined;
  const plain = text.replace('://*.', '://');
  const origin = parseOrigin(plain);
  // A wildcard over a whole top-level domain is everybody.
  const isWide = plain !== text && origin?.host.includes('.') !== true;
  return origin === undefined || isWide
    ? `${JSON.stringify(text)} is no origin, want https://shop.test, https://shop.test:8443, https://*.shop.test or null`
    : undefined;
}

function check(given: unknown, report: ReportFault): void {
  const { additionalOrigins = [], except = [] } = given as CsrfPart;
  for (const [index, text] of additionalOrigins.entries()) {
    const fault = originFault(text);
    if (fault !== undefined) report(`additionalOrigins[${index}]`, fault);
  }
  for (const [index, text] of except.entries()) {
    const fault = pathFault(text);
    if (fault !== undefined) report(`except[${index}]`, fault);
  }
}

const NOTES = `A browser says where a request comes from, and a page can't change it. Requests of every method but GET, HEAD, OPTIONS and TRACE must come from the origin that they go to, or from one that is listed; so must the handshake of a WebSocket, which is a GET that no other rule of browsers holds back.

What is looked at, the first that is there deciding:
1. \`Origin\`: scheme, host and port must be the request's own, or a listed one's. \`null\` is nobody's unless it is listed. A request whose Origin is its own and whose \`Sec-Fetch-Site\` says \`cross-site\` or \`same-site\` is refused: no browser sends both.
2. \`Referer\`, by its origin.
3. \`Sec-Fetch-Site\`: \`same-origin\` and \`none\` (typed, or from a bookmark) pass.
4. Nothing of these: refused, unless \`allowMissing\` is set. Browsers say it; programs that don't can't be led by a page either, so with \`allowMissing\` they pass.

Repeated fields, and values that are no origin, are refused.

The request's own origin is the scheme of the connection and the authority that was asked for. Where another proxy ends TLS in front of this one, the scheme here is http: list the public origin (\`https://shop.test\`).

It runs in phase authz, behind RequestAuthentication and AuthorizationPolicy. With \`shadow\` nothing is refused: the log has a line for what would be, and \`explain\` shows it.`;

export const csrfPart: PolicyPart<z.ZodType> = {
  key: 'csrf',
  summary: 'Refuses requests that change something and come from a page of another site.',
  schema,
  check,
  fields: [
    {
      path: 'additionalOrigins',
      type: 'list of origins',
      meaning:
        '`https://admin.test`, `https://*.shop.test` for every host below, `null`; the port counts',
      default: 'only the request’s own',
    },
    {
      path: 'allowMissing',
      type: 'boolean',
      meaning: 'requests pass that say nothing of where they come from',
      default: 'false: they are refused',
    },
    {
      path: 'except',
      type: 'list of paths',
      meaning:
        'not looked at: `/hook` itself, `/hooks/*` with what is below, `*.cgi`; every reading of the path must be listed',
      default: 'none',
    },
    {
      path: 'shadow',
      type: 'boolean',
      meaning: 'says what would be refused, and lets it pass',
      default: 'false',
    },
  ],
  notes: NOTES,
  refusals: [
    {
      when: 'the request comes from elsewhere',
      status: 403,
      body: 'cross-site request refused',
      details: 'csrf_foreign_origin',
    },
    {
      when: 'it says nothing of where it comes from',
      status: 403,
      body: 'cross-site request refused',
      details: 'csrf_no_origin',
    },
    {
      when: 'what it says can’t be read',
      status: 403,
      body: 'cross-site request refused',
      details: 'csrf_malformed_origin',
    },
  ],
  example: `additionalOrigins: [https://admin.shop.test, "https://*.partner.test:8443"]
except: [/hooks/*]
`,
};
