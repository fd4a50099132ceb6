import { z } from 'zod';
import { parseDuration } from '../../lib/duration.ts';
import { MAX_ITERATIONS, PASSWORD_HASH, parsePasswordHash } from '../../lib/password-hash.ts';
import { secretNameFault } from '../../lib/secret-values.ts';
import { senderHeaderFault } from '../../lib/sender-headers.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

const MAX_USERS = 1000;

const schema = z.strictObject({
  realm: z.string().optional(),
  users: z
    .array(z.strictObject({ name: z.string(), hash: z.string() }))
    .max(MAX_USERS, { error: `a list takes at most ${MAX_USERS}` })
    .optional(),
  secretName: z.string().optional(),
  userHeader: z.string().optional(),
  optional: z.boolean().optional(),
  forwardCredentials: z.boolean().optional(),
  allowPreflight: z.boolean().optional(),
  throttle: z
    .strictObject({
      failures: z.number().int().min(1).max(10_000).optional(),
      window: z.string().optional(),
    })
    .optional(),
});

export interface BasicAuthPart {
  readonly realm?: string;
  readonly users?: readonly { readonly name: string; readonly hash: string }[];
  readonly secretName?: string;
  readonly userHeader?: string;
  readonly optional?: boolean;
  readonly forwardCredentials?: boolean;
  readonly allowPreflight?: boolean;
  readonly throttle?: { readonly failures?: number; readonly window?: string };
}

const MAX_NAME = 128;
/** It ends in a header and a principal. */
const NOT_IN_NAME = /[:\x00-\x1f\x7f-\x9f]/;
const MAX_WINDOW_MS = 86_400_000;

function checkUsers({ users = [] }: BasicAuthPart, report: ReportFault): void {
  const names = new Set<string>();
  for (const [index, { name, hash }] of users.entries()) {
    const at = `users[${index}]`;
    if (name === '' || name.length > MAX_NAME || NOT_IN_NAME.test(name))
      report(
        `${at}.name`,
        `${JSON.stringify(name)} is no name, want up to ${MAX_NAME} characters without colon and controls`,
      );
    if (names.has(name)) report(`${at}.name`, `${name} stands twice`, 'remove one of them');
    names.add(name);
    // What stands here may be the password itself.
    if (parsePasswordHash(hash) === undefined)
      report(`${at}.hash`, `this is no hash of a password, want ${PASSWORD_HASH}`);
  }
}

function check(given: unknown, report: ReportFault): void {
  const part = given as BasicAuthPart;
  const { realm, users, secretName, userHeader, throttle } = part;
  if (users === undefined && secretName === undefined)
    report('', 'basicAuth has no users, want users or secretName', 'users: [] lets nobody in');
  if (realm !== undefined && !/^[\x20-\x7e]{1,128}$/.test(realm))
    report('realm', `${JSON.stringify(realm)} is no realm, want 1 to 128 characters of ASCII`);
  checkUsers(part, report);
  const unnamed = secretName === undefined ? undefined : secretNameFault(secretName);
  if (unnamed !== undefined) report('secretName', unnamed);
  const fault = userHeader === undefined ? undefined : senderHeaderFault(userHeader);
  if (fault !== undefined) report('userHeader', fault);
  const windowMs = throttle?.window === undefined ? 1000 : parseDuration(throttle.window);
  if (windowMs === undefined || windowMs < 1000 || windowMs > MAX_WINDOW_MS)
    report(
      'throttle.window',
      `${JSON.stringify(throttle?.window)} is no window, want a duration from 1s to 24h`,
    );
}

const NOTES = `A password is held as \`$pbkdf2-sha256$i=<iterations>$<salt>$<hash>\` (PBKDF2 with HMAC-SHA-256, salt and hash base64url without padding), which \`lateen basic-auth hash\` prints. Cloudflare's runtime takes up to ${MAX_ITERATIONS.toLocaleString('en')} iterations, so no more are admitted anywhere; where that is too little for your passwords, use long random ones, or [oidc](oidc.md).

- With \`secretName\`, the entry \`users\` of a Secret of the Policy's namespace has more of them, \`name:hash\` a line. Prefer it: a hash in a Policy is seen by whoever may read Policies. Gateway workers have it from their own secret \`LATEEN_SECRETS\`, JSON by \`namespace/name\` and entry. A line that is none is skipped and said in the log.
- An unknown user costs as much as a wrong password. Credentials that held are remembered for five minutes under a hash that only this process can make, at most some 1,000 of them, so that a request costs microseconds and not a derivation. Eight derivations run at a time; a request that finds no place is refused with 503.
- \`throttle\` counts failures by client address (by /64 for IPv6), for at most 10,000 of them: beyond \`failures\` in a \`window\` the client is refused with 429, also with the right password, until the window is over. It is counted by each proxy, and each isolate, for itself.
- \`Authorization\` with Basic is taken out of what is forwarded (\`forwardCredentials: true\` keeps it), and nobody else can say \`userHeader\`, in any spelling with dashes and underscores. In it, what isn't ASCII is percent-encoded.
- The user is the request's principal, \`basic/<name>\`, unless a token has said who asks. The part runs before AuthorizationPolicy, by the route that the request takes as it came.
- With \`optional\`, a request without Basic passes without identity; credentials that are there must hold. Other schemes of Authorization are not looked at.
- User and password are UTF-8; the first colon ends the user; together they have at most 512 bytes. Controls, a second Authorization field and base64 that isn't are refused.
- Connections that carry something other than HTTP are closed: give such ports a Policy of their own (\`sectionName\`).

At most ${MAX_USERS.toLocaleString('en')} users.`;

export const basicAuthPart: PolicyPart<z.ZodType> = {
  key: 'basicAuth',
  summary: 'Lets in who knows a user’s password, by HTTP Basic.',
  schema,
  check,
  fields: [
    {
      path: 'realm',
      type: 'text',
      meaning: 'what the browser shows when it asks',
      default: '`restricted`',
    },
    { path: 'users', type: 'list of users', meaning: 'who has a password' },
    { path: 'users[].name', type: 'text', meaning: 'of the user, without colon' },
    { path: 'users[].hash', type: 'text', meaning: '`$pbkdf2-sha256$i=…$…$…`' },
    {
      path: 'secretName',
      type: 'text',
      meaning: 'a Secret of the same namespace with further users',
    },
    {
      path: 'userHeader',
      type: 'text',
      meaning: 'header that tells the backend the user’s name',
      default: 'it isn’t told',
    },
    {
      path: 'optional',
      type: 'boolean',
      meaning: 'requests without Basic pass',
      default: 'false: they are refused',
    },
    {
      path: 'forwardCredentials',
      type: 'boolean',
      meaning: 'the backend sees them too',
      default: 'false',
    },
    {
      path: 'allowPreflight',
      type: 'boolean',
      meaning:
        'what a browser asks beforehand (CORS) passes, which sends nothing of who asks: have a corsPolicy answer it',
      default: 'false: it is refused',
    },
    {
      path: 'throttle',
      type: 'object',
      meaning: 'how often a client may fail',
      default: 'as its fields say',
    },
    {
      path: 'throttle.failures',
      type: 'integer',
      meaning: 'failures of a client that are let pass in a window, 1 to 10,000',
      default: '10',
    },
    { path: 'throttle.window', type: 'duration', meaning: '1s to 24h', default: '1m' },
  ],
  notes: NOTES,
  refusals: [
    {
      when: 'no Basic came',
      status: 401,
      body: 'authentication required',
      details: 'basic_auth_missing',
    },
    {
      when: 'user or password are wrong, or can’t be read',
      status: 401,
      body: 'authentication failed',
      details: 'basic_auth_failed, basic_auth_malformed',
    },
    {
      when: 'the client failed too often',
      status: 429,
      body: 'too many attempts',
      details: 'basic_auth_throttled',
    },
    {
      when: 'too many passwords are being derived',
      status: 503,
      body: 'authentication unavailable',
      details: 'basic_auth_busy',
    },
    {
      when: 'the Secret isn’t there, and the user isn’t one of the Policy',
      status: 503,
      body: 'authentication unavailable',
      details: 'basic_auth_secret_missing',
    },
  ],
  example: `realm: shop
users:
- name: ann
  hash: $pbkdf2-sha256$i=100000$YSBzYWx0IG9mIHNpeHRlZW4$UEvnQUlFVOPqLjvSHTZe5Gx0oAKNaPEvMcoTwfpR03E
userHeader: x-user
throttle: {failures: 5, window: 5m}
`,
};
