/** What a live target can't be asked, by test/conformance/capabilities.yaml. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { CaseRequest, Check } from '../cases.ts';

interface Declared {
  /** Fields of `expect` that one exchange doesn't show. */
  readonly fields: Readonly<Record<string, string>>;
  /** Situations by name, with the reason; each is a test below. */
  readonly situations: Readonly<Record<string, string>>;
}

export interface Capabilities {
  /** Fields that are left out of the comparison, with the reason. */
  readonly fields: Readonly<Record<string, string>>;
  /** Why the check can't be asked at all; undefined = it can. */
  unaskable(check: Check): string | undefined;
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
const FRAMING = new Set(['content-length', 'transfer-encoding']);
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'proxy-authorization',
  'proxy-authenticate',
]);

function names(request: CaseRequest): string[] {
  return (request.headers ?? []).map(([name]) => name.toLowerCase());
}

/** WHATWG parsing is what the platform does before a worker sees anything. */
function keepsTarget({ host = 'host.test', path = '/' }: CaseRequest): boolean {
  try {
    const url = new URL(`http://${host}${path}`);
    return url.pathname + url.search === path && !path.includes('#');
  } catch {
    return true;
  }
}

function keepsHost({ host = '' }: CaseRequest): boolean {
  try {
    const { host: parsed, username, password } = new URL(`http://${host}/`);
    const plain = host.replace(/:80$/, '');
    return username === '' && password === '' && parsed === plain;
  } catch {
    return false;
  }
}

const SITUATIONS: Readonly<Record<string, (request: CaseRequest, check: Check) => boolean>> = {
  tcp: (request) => request.path === undefined && request.host === undefined,
  'request-target': (request) => !keepsTarget(request),
  host: (request) => !keepsHost(request),
  method: (request) => !METHODS.has(request.method ?? 'GET'),
  framing: (request) => names(request).some((name) => FRAMING.has(name)),
  'hop-by-hop': (request) => names(request).some((name) => HOP_BY_HOP.has(name)),
  'repeated-fields': (request) => new Set(names(request)).size < names(request).length,
  'host-field': (request) => names(request).includes('host'),
  'field-bytes': (request) =>
    (request.headers ?? []).some(
      ([name, value]) =>
        !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\t\x20-\x7e]/.test(value),
    ),
  close: (_request, { expect }) => expect['outcome'] === 'close' && expect['tls'] !== undefined,
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
    unaskable(check) {
      const request = check.request ?? {};
      const found = Object.entries(declared.situations).find(
        ([name]) => SITUATIONS[name]?.(request, check) === true,
      );
      return found === undefined ? undefined : `${found[0]}: ${found[1]}`;
    },
  };
}
