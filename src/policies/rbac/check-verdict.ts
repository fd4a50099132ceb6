/** What an external authorizer says of a request, whatever it was asked over, and how that is put into effect. */
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { HeaderBlock } from '../../model/head.ts';

export type Header = readonly [name: string, value: string];

export interface HeaderEdit {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  readonly how: 'set' | 'append' | 'add-if-absent' | 'overwrite-if-exists';
}

export interface Allowed {
  readonly kind: 'allowed';
  readonly request: readonly HeaderEdit[];
  readonly removed: readonly string[];
  readonly response: readonly HeaderEdit[];
  readonly query?: QueryEdits;
}

/** Names and values as they stand in a query. */
export interface QueryEdits {
  readonly set: readonly Header[];
  readonly removed: readonly string[];
}

export interface Denied {
  readonly kind: 'denied';
  readonly status: number;
  readonly body: string | Uint8Array;
  readonly headers: readonly Header[];
}

export interface Failed {
  readonly kind: 'failed';
  /** For the log. */
  readonly why: string;
  /** It did answer, with what may not be put into effect: failOpen doesn't let that pass. */
  readonly isInvalid: boolean;
}

export type CheckVerdict = Allowed | Denied | Failed;

export interface SentBody {
  readonly bytes: Uint8Array;
  /** Nothing was cut off. */
  readonly isWhole: boolean;
}

/** Asks one authorizer. Never rejects. */
export interface Check {
  ask(x: Exchange, body: SentBody | undefined): Promise<CheckVerdict>;
  /** About a connection that isn't read as HTTP. Absent: it isn't asked about any. */
  askConnection?(x: Exchange): Promise<CheckVerdict>;
}

export const failed = (why: string): Failed => ({ kind: 'failed', why, isInvalid: false });
export const invalid = (why: string): Failed => ({ kind: 'failed', why, isInvalid: true });

/** Of a connection, or of a message's framing: they hold for the call to the authorizer alone. */
const OF_CONNECTIONS = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Nobody but the proxy says where a request goes and who its peer is. */
const OF_THE_PROXY = new Set(['host', 'x-forwarded-client-cert', 'x-lateen-identity']);
/** Of the authorizer's answer itself. */
const OF_ANSWERS = new Set(['date', 'server']);

export const isOfConnection = (name: string): boolean => OF_CONNECTIONS.has(name);

/** Fields of an answer that may not become fields of a request. Pseudo headers are none. */
export const mayNotBeSent = (name: string): boolean =>
  name.startsWith(':') ||
  OF_CONNECTIONS.has(name) ||
  OF_THE_PROXY.has(name) ||
  OF_ANSWERS.has(name);
/** ... and of a response. */
export const mayNotBeShown = (name: string): boolean =>
  name.startsWith(':') || OF_CONNECTIONS.has(name) || OF_ANSWERS.has(name);

const TOKEN = /^[-!#$%&'*+.^_`|~0-9a-z]+$/;
const BREAKS = /[\0-\x08\n-\x1f\x7f]/;

/** Would it be another field, or several, behind the next parser? */
export const isMalformed = (name: string, value: string): boolean =>
  !TOKEN.test(name) || BREAKS.test(value);

/** Repeats of a field as they came: the first replaces, the others stand beside it. */
export function replacing(headers: readonly Header[]): HeaderEdit[] {
  const seen = new Set<string>();
  return headers.map(([name, value]): HeaderEdit => {
    const how = seen.has(name) ? 'append' : 'set';
    seen.add(name);
    return { name, value, how };
  });
}

export function applyEdits(head: HeaderBlock, edits: readonly HeaderEdit[]): void {
  for (const { name, value, how } of edits) {
    if (how === 'append') head.add(name, value);
    else if (how === 'set') head.set(name, value);
    else if (how === 'add-if-absent' ? !head.has(name) : head.has(name)) head.set(name, value);
  }
}

/** Keeps what routes are to be chosen by; of several authorizers the first came before all others. */
function keepReceived(x: Exchange, names: readonly string[]): void {
  const headers = new Map(x.asReceived?.headers);
  for (const name of names) if (!headers.has(name)) headers.set(name, x.request.getAll(name));
  x.asReceived = { headers, query: x.asReceived?.query ?? x.query };
}

/** @param routesAnew whether the route is chosen by what is written here */
export function allow(x: Exchange, verdict: Allowed, routesAnew: boolean): void {
  const { request, removed, query } = verdict;
  if (!routesAnew && (request.length > 0 || removed.length > 0 || query !== undefined))
    keepReceived(x, [...removed, ...request.map(({ name }) => name)]);
  for (const name of removed) x.request.remove(name);
  applyEdits(x.request, request);
  if (query !== undefined) x.query = editQuery(x.query, query);
}

const nameOf = (pair: string): string => pair.split('=', 1)[0] ?? '';
/** What can't stand in a query as a part of one name or value; percent signs are left as the authorizer wrote them. */
const encoded = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[^-A-Za-z0-9._~!$'()*,;:@/?%]/gu, (char) => encodeURIComponent(char));

function editQuery(query: string, { set, removed }: QueryEdits): string {
  const gone = new Set(removed);
  let pairs = query
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !gone.has(nameOf(pair)));
  for (const [name, value] of set) {
    const pair = `${encoded(name)}=${encoded(value)}`;
    const at = pairs.findIndex((other) => nameOf(other) === encoded(name));
    if (at < 0) pairs.push(pair);
    else
      pairs = pairs.flatMap((other, index) => {
        if (index === at) return [pair];
        return nameOf(other) === encoded(name) ? [] : [other];
      });
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

export function refusal({ status, headers, body }: Denied): LocalReply {
  return { status, body, headers, flag: 'UAEX', details: 'ext_authz_denied' };
}
