import { z } from 'zod';
import { API_KEY_ENTRY, MIN_API_KEY_LENGTH, parseApiKeyEntry } from '../../lib/api-key.ts';
import { secretNameFault } from '../../lib/secret-values.ts';
import { senderHeaderFault } from '../../lib/sender-headers.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';
import { CONSUMER } from './config.ts';

const MAX_KEYS = 1000;
const MAX_HASHES = 8;
const MAX_PLACES = 8;

const schema = z.strictObject({
  from: z
    .array(
      z.strictObject({
        header: z.string().optional(),
        prefix: z.string().optional(),
        query: z.string().optional(),
        cookie: z.string().optional(),
      }),
    )
    .max(MAX_PLACES, { error: `a list takes at most ${MAX_PLACES}` })
    .optional(),
  keys: z
    .array(
      z.strictObject({
        name: z.string(),
        hashes: z
          .array(z.string())
          .max(MAX_HASHES, { error: `a list takes at most ${MAX_HASHES}` }),
      }),
    )
    .max(MAX_KEYS, { error: `a list takes at most ${MAX_KEYS}` })
    .optional(),
  secretName: z.string().optional(),
  consumerHeader: z.string().optional(),
  optional: z.boolean().optional(),
  forwardKey: z.boolean().optional(),
  allowPreflight: z.boolean().optional(),
});

/** One of header (with prefix), query, cookie. */
export interface ApiKeysPlace {
  readonly header?: string;
  readonly prefix?: string;
  readonly query?: string;
  readonly cookie?: string;
}

export interface ApiKeysPart {
  readonly from?: readonly ApiKeysPlace[];
  readonly keys?: readonly { readonly name: string; readonly hashes: readonly string[] }[];
  readonly secretName?: string;
  readonly consumerHeader?: string;
  readonly optional?: boolean;
  readonly forwardKey?: boolean;
  readonly allowPreflight?: boolean;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function checkPlace(place: ApiKeysPlace, at: string, report: ReportFault): void {
  const { prefix, ...places } = place;
  const [[kind, name] = ['', ''], ...others] = Object.entries(places);
  if (kind === '' || others.length > 0) {
    report(at, 'a place has one of header, query, cookie');
    return;
  }
  if (!TOKEN.test(name)) report(`${at}.${kind}`, `${JSON.stringify(name)} is no name`);
  else if (kind === 'header' && /^(?:cookie|host)$/i.test(name))
    report(`${at}.header`, `${name} carries no key`, 'a key in a cookie has the place cookie');
  if (prefix !== undefined && kind !== 'header')
    report(`${at}.prefix`, 'only a header has a prefix');
  if (prefix !== undefined && !/^[\x21-\x7e]+ ?$/.test(prefix))
    report(`${at}.prefix`, `${JSON.stringify(prefix)} is no prefix`, 'write it as "Bearer "');
}

function checkKeys({ keys = [] }: ApiKeysPart, report: ReportFault): void {
  const names = new Set<string>();
  const owners = new Map<string, string>();
  for (const [index, { name, hashes }] of keys.entries()) {
    const at = `keys[${index}]`;
    if (!CONSUMER.test(name))
      report(`${at}.name`, `${JSON.stringify(name)} is no name, want letters, digits and .-_@`);
    if (names.has(name)) report(`${at}.name`, `${name} stands twice`, 'join their hashes');
    names.add(name);
    if (hashes.length === 0) report(`${at}.hashes`, 'hashes is empty, want one');
    for (const [place, text] of hashes.entries()) {
      const entry = parseApiKeyEntry(text);
      if (entry === undefined) {
        // What stands here may be the key itself.
        report(
          `${at}.hashes[${place}]`,
          `this is no hash of a key, want ${API_KEY_ENTRY}`,
          'lateen api-key create makes a key and prints its hash',
        );
        continue;
      }
      const owner = owners.get(entry.sha256);
      if (owner !== undefined)
        report(`${at}.hashes[${place}]`, `${owner} has the same key`, 'give each its own');
      owners.set(entry.sha256, name);
    }
  }
}

function check(given: unknown, report: ReportFault): void {
  const part = given as ApiKeysPart;
  const { from, keys, secretName, consumerHeader } = part;
  if (keys === undefined && secretName === undefined)
    report('', 'apiKeys has no keys, want keys or secretName', 'keys: [] lets nobody in');
  if (from?.length === 0)
    report('from', 'from is empty, want a place', 'leave it out to mean the header x-api-key');
  for (const [index, place] of (from ?? []).entries()) checkPlace(place, `from[${index}]`, report);
  checkKeys(part, report);
  const unnamed = secretName === undefined ? undefined : secretNameFault(secretName);
  if (unnamed !== undefined) report('secretName', unnamed);
  const fault = consumerHeader === undefined ? undefined : senderHeaderFault(consumerHeader);
  if (fault !== undefined) report('consumerHeader', fault);
}

const NOTES = `A key is held as the SHA-256 of its text, so it must be drawn at random: \`lateen api-key create\` draws 256 bits, prints the key once and the hash to keep. Keys of fewer than ${MIN_API_KEY_LENGTH} characters are never taken. A key is looked up by its hash, whose digits no caller can choose, so the time that it takes says nothing about a key.

- A consumer may have up to ${MAX_HASHES} hashes, each with an end of its own: to rotate, add the new one, give the old one an \`expires\`, remove it later.
- With \`secretName\`, a Secret of the Policy's namespace holds more of them: the name of an entry is the consumer, its text has a hash a line. Gateway workers have it from their own secret \`LATEEN_SECRETS\`, JSON by \`namespace/name\` and entry. A line that is no hash is skipped and said in the log.
- Exactly one key may come, in one place: two of them, or one that is repeated, are refused whatever they are.
- The key is taken out of what is forwarded (\`forwardKey: true\` keeps it), and nobody else can say \`consumerHeader\`, in any spelling with dashes and underscores.
- The consumer is the request's principal, \`apikey/<name>\`, unless a token has said who asks: AuthorizationPolicy's \`requestPrincipals\` name it, and \`request.auth.claims[sub]\` is its name. The part runs before AuthorizationPolicy, by the route that the request takes as it came.
- With \`optional\`, a request without a key passes without identity, as one without token does; a key that is there must hold. So keys stand beside [oidc](oidc.md) (\`passIdentified\`), [basicAuth](basicAuth.md) or RequestAuthentication, and AuthorizationPolicy says who must be known.
- Connections that carry something other than HTTP are closed: give such ports a Policy of their own (\`sectionName\`).

At most ${MAX_KEYS.toLocaleString('en')} consumers.`;

const REQUIRED = 'api key required';
const REFUSED = 'api key refused';

export const apiKeysPart: PolicyPart<z.ZodType> = {
  key: 'apiKeys',
  summary: 'Lets in who brings an API key, and says whose it is.',
  schema,
  check,
  fields: [
    {
      path: 'from',
      type: 'list of places',
      meaning: 'where a key may stand; each has one of `header`, `query`, `cookie`',
      default: 'the header `x-api-key`',
    },
    { path: 'from[].header', type: 'text', meaning: 'name of a header, in any case' },
    {
      path: 'from[].prefix',
      type: 'text',
      meaning: 'what stands before the key in the header, as `"Bearer "`; without it there is none',
    },
    { path: 'from[].query', type: 'text', meaning: 'name of a query parameter' },
    { path: 'from[].cookie', type: 'text', meaning: 'name of a cookie' },
    { path: 'keys', type: 'list of consumers', meaning: 'who has keys' },
    { path: 'keys[].name', type: 'text', meaning: 'of the consumer: letters, digits and `.-_@`' },
    {
      path: 'keys[].hashes',
      type: 'list of text',
      meaning: 'of its keys: `sha256:<hex>`, with ` expires=<time>` behind it if it is to end',
    },
    {
      path: 'secretName',
      type: 'text',
      meaning: 'a Secret of the same namespace with further consumers',
    },
    {
      path: 'consumerHeader',
      type: 'text',
      meaning: 'header that tells the backend the consumer’s name',
      default: 'it isn’t told',
    },
    {
      path: 'optional',
      type: 'boolean',
      meaning: 'requests without a key pass',
      default: 'false: they are refused',
    },
    {
      path: 'forwardKey',
      type: 'boolean',
      meaning: 'the backend sees the key too',
      default: 'false',
    },
    {
      path: 'allowPreflight',
      type: 'boolean',
      meaning:
        'what a browser asks beforehand (CORS) passes, which sends nothing of who asks: have a corsPolicy answer it',
      default: 'false: it is refused',
    },
  ],
  notes: NOTES,
  refusals: [
    { when: 'no key came', status: 401, body: REQUIRED, details: 'api_key_missing' },
    {
      when: 'nobody has the key',
      status: 401,
      body: REFUSED,
      details: 'api_key_unknown',
    },
    { when: 'it has ended', status: 401, body: REFUSED, details: 'api_key_expired' },
    {
      when: 'more than one came, or one that can’t be a key',
      status: 401,
      body: REFUSED,
      details: 'api_key_ambiguous, api_key_malformed',
    },
    {
      when: 'the Secret isn’t there, and no key of the Policy holds',
      status: 503,
      body: 'authentication unavailable',
      details: 'api_keys_secret_missing',
    },
  ],
  example: `from: [{header: x-api-key}, {header: authorization, prefix: "Bearer "}]
keys:
- name: ci
  hashes:
  - sha256:a4f266f8f5d955cb5ee0d75febfe37c4ccce752bfd6889d933b7da0c3bbef853
  - sha256:6c9cef3c6bf3ad4a28a2f6b1ec376ddb72604bbc253815c6a14f47b39df8fe7b expires=2027-01-31T00:00:00Z
consumerHeader: x-consumer
`,
};
