/** What goes into the audit log and the process's log of an address: never what could be a secret. */

/** Tokens of ours, JWTs and PEM, wherever they stand. */
const SECRET =
  /lat(?:join)?_[0-9a-f]{8,}(?:_[0-9a-f]*)?|eyJ[\w-]{8,}(?:\.[\w-]*)*|-----BEGIN[^-]*-----[^-]*(?:-----END[^-]*-----)?/g;
/** Parameters of ours, none of which is secret. */
const KNOWN: ReadonlySet<string> = new Set([
  'namespace',
  'dryRun',
  'fieldValidation',
  'message',
  'limit',
  'continue',
  'labelSelector',
  'before',
  'after',
  'resource',
  'revision',
  'group',
  'kind',
  'host',
  'actor',
  'status',
  'method',
  'path',
  'since',
  'until',
]);
const MAX_PATH = 512;
const MAX_QUERY = 512;
const MAX_VALUE = 128;
const CONTROL = /[\x00-\x1f\x7f]/g;

export function withoutSecrets(text: string): string {
  return text.replaceAll(SECRET, '<hidden>').replaceAll(CONTROL, '?');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Does it carry a token in any spelling that a server would read? */
export function holdsToken(text: string): boolean {
  return (
    /lat(?:join)?_[0-9a-f]{16}_/i.test(decoded(text)) ||
    /\beyJ[\w-]{8,}\.[\w-]+\./.test(decoded(text))
  );
}

export function auditPath(path: string): string {
  return withoutSecrets(decoded(path)).slice(0, MAX_PATH);
}

/** Undefined = there is none. Values of parameters that aren't ours are left out. */
export function auditQuery(parameters: URLSearchParams): string | undefined {
  const shown: string[] = [];
  for (const [name, value] of parameters)
    shown.push(
      KNOWN.has(name)
        ? `${name}=${withoutSecrets(value).slice(0, MAX_VALUE)}`
        : `${withoutSecrets(name).slice(0, 32)}=<hidden>`,
    );
  return shown.length === 0 ? undefined : shown.join('&').slice(0, MAX_QUERY);
}
