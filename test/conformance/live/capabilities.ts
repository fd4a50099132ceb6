/** What a live target can't be asked, by test/conformance/capabilities.yaml. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { CaseRequest, Check } from '../cases.ts';

type Fields = Readonly<Record<string, unknown>>;

interface DeclaredCheck {
  readonly id: string;
  readonly check: number;
  readonly reason: string;
  readonly expect?: Fields;
}

interface Declared {
  /** Fields of `expect` that one exchange doesn't show. */
  readonly fields: Readonly<Record<string, string>>;
  /** Situations by name, with the reason; each is a test below. */
  readonly situations: Readonly<Record<string, string>>;
  readonly checks: readonly DeclaredCheck[];
}

export interface Limit {
  readonly reason: string;
  /** What the check is held to instead; absent = it is skipped. */
  readonly expect?: Fields;
}

export interface Capabilities {
  /** Fields that are left out of the comparison, with the reason. */
  readonly fields: Readonly<Record<string, string>>;
  /** Why connections that nobody reads can't be asked about. */
  readonly connections: string;
  /** Undefined = the check can be asked as it stands. */
  limitOf(id: string, index: number, check: Check): Limit | undefined;
}

/** Of those that the platform knows, what cases ask for. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']);

function valuesOf(request: CaseRequest, name: string): string[] {
  return (request.headers ?? [])
    .filter(([other]) => other.toLowerCase() === name)
    .map(([, value]) => value);
}

/** Is it what a fetch makes of it? */
function isParsed(target: string): boolean {
  const base = 'http://host.test';
  return new URL(base + target).href === base + target;
}

/** Only a last coding `chunked` says where the body ends, and is passed on. */
function hasPlainFraming(request: CaseRequest): boolean {
  return (
    valuesOf(request, 'content-length').length === 0 &&
    valuesOf(request, 'transfer-encoding').every((value) => /^(?:.*, *)?chunked$/.test(value))
  );
}

/** Over https the front has to make the request anew, and its URL is parsed then. */
function reachesWorker({ scheme, path = '/' }: CaseRequest): boolean {
  if (/[\x00-\x20<>`\x7f-\u{10ffff}]/u.test(path)) return false;
  return scheme !== 'https' || isParsed(path.replace(/#.*/, ''));
}

const SITUATIONS: Readonly<Record<string, (request: CaseRequest, check: Check) => boolean>> = {
  status: (_request, check) => check.request === undefined,
  tcp: ({ path, host, method }) => path === undefined && host === undefined && method === undefined,
  method: ({ method = 'GET' }) => !METHODS.has(method),
  host: ({ host = '' }) => host.trim() === '',
  'target-form': ({ path = '/', host = '' }) =>
    !path.startsWith('/') && !path.startsWith(`http://${host}/`),
  'request-target': (request) => !reachesWorker(request),
  'sent-target': (_request, { expect: { path } }) => typeof path === 'string' && !isParsed(path),
  framing: (request) => !hasPlainFraming(request),
  'field-bytes': (request) =>
    (request.headers ?? []).some(
      ([name, value]) =>
        !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e]/.test(value),
    ),
};

export function readCapabilities(file: string, target: string): Capabilities {
  const all = parse(readFileSync(file, 'utf8')) as Readonly<Record<string, Declared>>;
  const declared = all[target];
  if (declared === undefined)
    throw new Error(`no live target ${target}, want one of ${Object.keys(all).join(', ')}`);
  for (const name of Object.keys(declared.situations))
    if (SITUATIONS[name] === undefined) throw new Error(`${file}: no test for situation ${name}`);
  return {
    fields: declared.fields,
    connections: `tcp: ${declared.situations['tcp'] ?? ''}`,
    limitOf(id, index, check) {
      const single = declared.checks.find((one) => one.id === id && one.check === index);
      if (single !== undefined) {
        const { reason, expect } = single;
        return { reason: `${id}: ${reason}`, ...(expect === undefined ? {} : { expect }) };
      }
      const request = check.request ?? {};
      const found = Object.entries(declared.situations).find(
        ([name]) => SITUATIONS[name]?.(request, check) === true,
      );
      return found === undefined ? undefined : { reason: `${found[0]}: ${found[1]}` };
    },
  };
}
