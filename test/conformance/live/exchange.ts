/** One request to the front as a case gives it, and its response. */
import { request as send } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { CaseRequest } from '../cases.ts';

export interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Longer than any delay that a case injects. */
const TIMEOUT_MS = 20_000;

/** Repeated fields with a comma between, as the cases compare them. */
export function joined(fields: Iterable<readonly [string, string]>): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of fields)
    all[name] = all[name] === undefined ? value : `${all[name]},${value}`;
  return all;
}

async function received(response: IncomingMessage): Promise<Response> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk as Uint8Array));
  const raw = response.rawHeaders;
  const pairs = raw.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1] ?? '']] : [],
  );
  return {
    status: response.statusCode ?? 0,
    headers: joined(pairs),
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

/** `extra`: names and values in turn. */
export function exchange(
  port: number,
  request: CaseRequest,
  extra: readonly string[],
): Promise<Response> {
  const fields = (request.headers ?? []).flatMap(([name, value]) => [name, value]);
  return new Promise((resolve, reject) => {
    const sent = send(
      {
        host: '127.0.0.1',
        port,
        method: request.method ?? 'GET',
        path: request.path ?? '/',
        headers: ['host', request.host ?? '', ...fields, ...extra],
        setHost: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (response) => {
        received(response).then(resolve, reject);
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}
