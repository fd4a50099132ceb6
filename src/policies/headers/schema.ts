import { z } from 'zod';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';
import { FIELD_NAME, TemplateError, parseTemplate } from './template.ts';

const MAX_NAMES = 64;
const MAX_TEMPLATE = 4096;

const values = z.record(z.string(), z.string());
const edits = z.strictObject({
  set: values.optional(),
  add: values.optional(),
  remove: z.array(z.string()).optional(),
});
const schema = z.strictObject({ request: edits.optional(), response: edits.optional() });

/** Values are templates. */
export interface HeaderEditsPart {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

export interface HeadersPart {
  readonly request?: HeaderEditsPart;
  readonly response?: HeaderEditsPart;
}

/** Of the connection or of framing: the proxy's own business on each hop. */
const OF_THE_HOP = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** What the mesh says of a request; backends and other proxies take its word. */
const OF_THE_MESH = /^(?:x-forwarded-|x-envoy-|x-lateen-|cf-)|^true-client-ip$/;

function nameFault(name: string): readonly [message: string, remedy: string] | undefined {
  const lower = name.toLowerCase();
  if (lower.startsWith(':'))
    return [
      `${name} is a pseudo header, which no policy edits`,
      'rewrite path or authority in the route',
    ];
  if (lower === 'host')
    return ['host is the authority, which no policy edits', 'rewrite the authority in the route'];
  if (!FIELD_NAME.test(name))
    return [`${JSON.stringify(name)} is no header name`, 'letters, digits and - make one'];
  if (OF_THE_HOP.has(lower))
    return [`${name} belongs to the connection, which each proxy writes anew`, 'leave it out'];
  if (OF_THE_MESH.test(lower))
    return [`${name} is the mesh's own word on a request, which others trust`, 'take another name'];
  return undefined;
}

interface Place {
  readonly path: string;
  readonly isRequest: boolean;
  readonly report: ReportFault;
}

function checkValue(value: string, { path, isRequest, report }: Place): void {
  if (value === '')
    return report(path, 'the value is empty', 'name the header under remove to drop it');
  if (value.length > MAX_TEMPLATE)
    return report(path, `a value of ${value.length} characters, want at most ${MAX_TEMPLATE}`);
  try {
    const parts = parseTemplate(value);
    const early = parts.find(
      (part) => typeof part !== 'string' && part.from.of.startsWith('response.'),
    );
    if (isRequest && early !== undefined)
      report(
        path,
        'a request has no response yet, want values of the request',
        'move it under response',
      );
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    report(path, `${error.message} (at ${error.at} of ${JSON.stringify(value)})`);
  }
  return undefined;
}

function checkEdits(
  given: HeaderEditsPart,
  side: 'request' | 'response',
  report: ReportFault,
): void {
  const names = new Map<string, string>();
  const checkName = (name: string, path: string): void => {
    const fault = nameFault(name);
    if (fault !== undefined) report(path, ...fault);
    const before = names.get(name.toLowerCase());
    if (before !== undefined) report(path, `${name} stands in ${before} already, want it once`);
    names.set(name.toLowerCase(), path);
  };
  for (const field of ['set', 'add'] as const)
    for (const [name, value] of Object.entries(given[field] ?? {})) {
      const path = `${side}.${field}.${name}`;
      checkName(name, path);
      checkValue(value, { path, isRequest: side === 'request', report });
    }
  for (const [index, name] of (given.remove ?? []).entries())
    checkName(name, `${side}.remove[${index}]`);
  if (names.size === 0) report(side, `${side} names no header, want set, add or remove`);
  if (names.size > MAX_NAMES) report(side, `${names.size} headers, want at most ${MAX_NAMES}`);
}

function check(given: unknown, report: ReportFault): void {
  const { request, response } = given as HeadersPart;
  if (request === undefined && response === undefined)
    report('', 'headers says nothing, want request or response');
  if (request !== undefined) checkEdits(request, 'request', report);
  if (response !== undefined) checkEdits(response, 'response', report);
}

const fieldsOf = (side: 'request' | 'response'): PolicyPart['fields'] => [
  {
    path: side,
    type: 'map',
    meaning:
      side === 'request'
        ? 'what is changed before the backend sees the request'
        : 'what is changed before the client sees the response, whoever made it',
  },
  {
    path: `${side}.set`,
    type: 'map of name to value',
    meaning:
      'replaces what is there. A value that comes to nothing removes the header: a caller can never supply what the policy was to say',
  },
  {
    path: `${side}.add`,
    type: 'map of name to value',
    meaning: 'adds one more. A value that comes to nothing adds nothing',
  },
  { path: `${side}.remove`, type: 'list of names', meaning: 'removes every value' },
];

const NOTES = `Values are text with names of the request in it: \`\${name}\`, or \`\${name|default}\` with what stands in where the request has none. \`$\${\` is the text \`\${\`.

| name | value |
| --- | --- |
| \`request.header.NAME\` | a header as it arrived, repeats joined with a comma |
| \`request.method\`, \`request.scheme\`, \`request.host\` | the host without its port |
| \`request.path\`, \`request.query\` | the canonical path; the query without its question mark |
| \`request.id\`, \`trace.id\` | of this request, given or made here |
| \`client.ip\`, \`client.country\` | behind trusted hops; the country where the platform tells it |
| \`source.principal\` | the peer's identity, proven by the mesh |
| \`jwt.issuer\`, \`jwt.subject\`, \`jwt.claims.NAME\` | of the verified token. Inner claims: \`jwt.claims.a.b\`, or \`jwt.claims[https://a.test/b]\` for names with dots. Texts, numbers, booleans, and lists of them, joined with a comma |
| \`route.name\` | of the route that was taken |
| \`response.status\`, \`response.header.NAME\` | under \`response\` alone |

- A name that isn't one is refused at admission, with its place in the text. An absent value without default leaves the whole header out, as does one of more than 4,096 characters.
- Line breaks and other control characters of a value are dropped. What isn't ASCII in a claim is percent-encoded UTF-8.
- All values are read before the first edit is made; then remove, set, add. On a request that is before the edits of its route, on a response after them.
- Not editable, in either direction: pseudo headers and \`host\`; headers of the connection (\`connection\`, \`content-length\`, \`keep-alive\`, \`proxy-*\`, \`te\`, \`trailer\`, \`transfer-encoding\`, \`upgrade\`); what the mesh says of a request (\`x-forwarded-*\`, \`x-envoy-*\`, \`x-lateen-*\`, \`cf-*\`, \`true-client-ip\`). Each header stands once.`;

export const headersPart: PolicyPart<z.ZodType> = {
  key: 'headers',
  summary: 'Sets, adds and removes headers of requests and responses, with values of the request.',
  schema,
  check,
  fields: [...fieldsOf('request'), ...fieldsOf('response')],
  notes: NOTES,
  refusals: [],
  example: `request:
  set:
    x-user: "\${jwt.claims.sub}"
    x-plan: "\${jwt.claims.plan|free}"
  remove: [x-debug]
response:
  set:
    strict-transport-security: max-age=31536000
    x-request-id: "\${request.id}"
`,
};
