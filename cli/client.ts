/** HTTP client of the control plane's admin API. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Diagnostic, Place } from '../src/model/diagnostic.ts';
import { faultText } from '../src/lib/fault.ts';
import { CommandError } from './errors.ts';

export interface Connection {
  /** @default http://127.0.0.1:8090 */
  readonly server?: string;
  readonly token?: string;
}

export interface Credentials {
  readonly server: string;
  readonly token: string;
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
  readonly etag: string | undefined;
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly {
    readonly code?: string;
    readonly level?: Diagnostic['level'];
    readonly path?: string;
    readonly pointer?: string;
    readonly place?: Place;
    readonly message?: string;
    readonly resource?: string;
    readonly remedy?: string;
  }[];
}

/** Where `lateen up` and `lateen control` leave the administrator's token. */
export const CREDENTIALS_FILE = 'credentials.json';

/** Where `lateen auth login` leaves a person's session. */
const SESSION_FILE = 'session.json';
const FOLDER = '.lateen';

/** In this folder or the nearest one above that has it. */
function findFile(name: string): string | undefined {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const file = join(folder, FOLDER, name);
    if (existsSync(file)) return file;
    if (dirname(folder) === folder) return undefined;
  }
}

function savedCredentials(): Credentials | undefined {
  const file = findFile(CREDENTIALS_FILE);
  return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Credentials);
}

export interface SavedSession extends Credentials {
  readonly expiresMs: number;
}

/** Undefined = there is none, or it is over. */
export function savedSession():
  | { readonly file: string; readonly session: SavedSession }
  | undefined {
  const file = findFile(SESSION_FILE);
  if (file === undefined) return undefined;
  const session = JSON.parse(readFileSync(file, 'utf8')) as SavedSession;
  return session.expiresMs > Date.now() ? { file, session } : undefined;
}

/** Readable to its owner alone. */
export function saveSession(session: SavedSession): void {
  const file = findFile(SESSION_FILE) ?? join(process.cwd(), FOLDER, SESSION_FILE);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(session), { mode: 0o600 });
  // A file that was there keeps its mode otherwise.
  chmodSync(file, 0o600);
}

export function resolveServer(connection: Connection): string {
  const server =
    connection.server ??
    process.env['LATEEN_SERVER'] ??
    savedSession()?.session.server ??
    savedCredentials()?.server ??
    'http://127.0.0.1:8090';
  return server.replace(/\/$/, '');
}

/** Flags, then LATEEN_SERVER and LATEEN_TOKEN, then a session of that server, then `.lateen/credentials.json`. */
export function resolveCredentials(connection: Connection): Credentials {
  const server = resolveServer(connection);
  const session = savedSession()?.session;
  const token =
    connection.token ??
    process.env['LATEEN_TOKEN'] ??
    (session?.server === server ? session.token : undefined) ??
    savedCredentials()?.token;
  if (token === undefined)
    throw new CommandError(
      'no token: start the mesh with `lateen up` in this folder, log in with `lateen auth login`, or give --token or LATEEN_TOKEN',
    );
  return { server, token };
}

export interface RequestOptions {
  readonly method?: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly contentType?: string;
  readonly ifMatch?: string;
  /** Statuses that are an answer and not an error. */
  readonly accept?: readonly number[];
}

function findingsOf(problem: Problem): Diagnostic[] {
  return (problem.errors ?? []).map((error) => ({
    code: error.code ?? 'LAT0000',
    level: error.level ?? 'error',
    message: error.message ?? '',
    ...(error.place === undefined ? {} : { place: error.place }),
    ...((error.path ?? error.pointer) === undefined
      ? {}
      : { path: error.path ?? error.pointer ?? '' }),
    ...(error.resource === undefined ? {} : { resource: error.resource }),
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  }));
}

function urlOf(credentials: Credentials, path: string, query: RequestOptions['query']): URL {
  const text = credentials.server + path;
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new CommandError(
      `--server ${credentials.server}: want an address, as http://127.0.0.1:8090`,
      2,
    );
  const url = new URL(text);
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

function remedyOf(fault: string): string {
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(fault))
    return 'is `lateen up` running? (--server names another)';
  if (fault.includes('WRONG_VERSION')) return 'it has no TLS, or another server is there: try http';
  if (/certificate|self.signed|issuer/i.test(fault))
    return 'where its certificate is of an authority of your own, NODE_EXTRA_CA_CERTS names the file of that (PEM)';
  return '--server names another; one that has TLS is at https';
}

/** @throws CommandError when nobody answers */
async function send(url: URL, server: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const fault = faultText(error);
    throw new CommandError(`no control plane answers at ${server} (${fault}): ${remedyOf(fault)}`);
  }
}

function refusalOf(response: Response, text: string): CommandError {
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  const problem: Problem = isJson ? (JSON.parse(text) as Problem) : { title: text.slice(0, 200) };
  const title = problem.title ?? 'refused';
  return new CommandError(
    `${title}${problem.detail === undefined ? '' : `: ${problem.detail}`} (HTTP ${response.status})`,
    1,
    findingsOf(problem),
  );
}

/** A long answer, as it comes. @throws CommandError on any refusal */
export async function openLines(
  credentials: Credentials,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<AsyncIterable<string>> {
  const url = urlOf(credentials, path, query);
  const headers = { authorization: `Bearer ${credentials.token}` };
  const response = await send(url, credentials.server, { headers });
  if (!response.ok || response.body === null) throw refusalOf(response, await response.text());
  return textOf(response.body);
}

async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of body) yield decoder.decode(chunk, { stream: true });
}

/** @throws CommandError with the API's own findings on any refusal. */
export async function call<Body>(
  credentials: Credentials,
  path: string,
  options: RequestOptions = {},
): Promise<Answer<Body>> {
  const url = urlOf(credentials, path, options.query);
  const headers: Record<string, string> =
    credentials.token === '' ? {} : { authorization: `Bearer ${credentials.token}` };
  if (options.body !== undefined)
    headers['content-type'] = options.contentType ?? 'application/json';
  if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch;
  const response = await send(url, credentials.server, {
    method: options.method ?? 'GET',
    headers,
    ...(options.body === undefined ? {} : { body: options.body }),
  });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  if (!response.ok && !(options.accept ?? []).includes(response.status))
    throw refusalOf(response, text);
  return {
    status: response.status,
    body: (isJson ? JSON.parse(text) : text) as Body,
    etag: response.headers.get('etag') ?? undefined,
  };
}
