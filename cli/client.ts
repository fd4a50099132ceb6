/** HTTP client of the control plane's admin API. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Diagnostic, Place } from '../src/model/diagnostic.ts';
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

function savedCredentials(): Credentials | undefined {
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const file = join(folder, '.lateen', CREDENTIALS_FILE);
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Credentials;
    if (dirname(folder) === folder) return undefined;
  }
}

const serverOf = (connection: Connection, saved: Credentials | undefined): string =>
  (
    connection.server ??
    process.env['LATEEN_SERVER'] ??
    saved?.server ??
    'http://127.0.0.1:8090'
  ).replace(/\/$/, '');

/** Where the control plane is, whoever asks it. */
export function resolveServer(connection: Connection): string {
  return serverOf(connection, savedCredentials());
}

/** Flags, then LATEEN_SERVER and LATEEN_TOKEN, then `.lateen/credentials.json` of this folder or one above. */
export function resolveCredentials(connection: Connection): Credentials {
  const saved = savedCredentials();
  const token = connection.token ?? process.env['LATEEN_TOKEN'] ?? saved?.token;
  if (token === undefined)
    throw new CommandError(
      'no token: start the mesh with `lateen up` in this folder, or give --token or LATEEN_TOKEN',
    );
  return { server: serverOf(connection, saved), token };
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

/** @throws CommandError with the API's own findings on any refusal. */
export async function call<Body>(
  credentials: Credentials,
  path: string,
  options: RequestOptions = {},
): Promise<Answer<Body>> {
  const url = new URL(credentials.server + path);
  for (const [name, value] of Object.entries(options.query ?? {}))
    if (value !== undefined) url.searchParams.set(name, value);
  const headers: Record<string, string> = { authorization: `Bearer ${credentials.token}` };
  if (options.body !== undefined)
    headers['content-type'] = options.contentType ?? 'application/json';
  if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch;
  let response: Response;
  try {
    response = await fetch(url, {
      method: options.method ?? 'GET',
      headers,
      ...(options.body === undefined ? {} : { body: options.body }),
    });
  } catch {
    throw new CommandError(
      `no control plane answers at ${credentials.server}: is \`lateen up\` running? (--server names another)`,
    );
  }
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  if (!response.ok && !(options.accept ?? []).includes(response.status)) {
    const problem: Problem = isJson ? (JSON.parse(text) as Problem) : { title: text.slice(0, 200) };
    const title = problem.title ?? 'refused';
    throw new CommandError(
      `${title}${problem.detail === undefined ? '' : `: ${problem.detail}`} (HTTP ${response.status})`,
      1,
      findingsOf(problem),
    );
  }
  return {
    status: response.status,
    body: (isJson ? JSON.parse(text) : text) as Body,
    etag: response.headers.get('etag') ?? undefined,
  };
}
