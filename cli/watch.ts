/** Follows changes of the running mesh until Ctrl-C; resumes where a broken connection left off. */
import type { Resource } from '../src/model/api.ts';
import type { Credentials } from './client.ts';
import { CommandError } from './errors.ts';
import { note } from './output.ts';

export interface WatchQuery {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly labelSelector: string | undefined;
}

interface Event {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: string;
}

const RECONNECT_MS = 1000;

function parseFrame(frame: string): Event {
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1];
  return { type: field('event') ?? '', id: field('id'), data: field('data') ?? '{}' };
}

async function* frames(body: ReadableStream<Uint8Array> | null | undefined): AsyncGenerator<Event> {
  if (body === null || body === undefined) return;
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield parseFrame(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}

async function connect(
  credentials: Credentials,
  query: WatchQuery,
  last: string | undefined,
): Promise<Response | undefined> {
  const url = new URL(`${credentials.server}/v1/watch`);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value));
  const headers = {
    authorization: `Bearer ${credentials.token}`,
    ...(last === undefined ? {} : { 'last-event-id': last }),
  };
  const response = await fetch(url, { headers }).catch(() => undefined);
  if (response === undefined || response.ok) return response;
  const { detail } = (await response.json()) as { readonly detail?: string };
  throw new CommandError(`watch was refused: ${detail ?? ''} (HTTP ${response.status})`);
}

export async function watch(credentials: Credentials, query: WatchQuery): Promise<void> {
  let last: string | undefined;
  for (;;) {
    const response = await connect(credentials, query, last);
    try {
      for await (const event of frames(response?.body)) {
        last = event.id ?? last;
        if (event.type === 'BOOKMARK') continue;
        if (event.type === 'ERROR') throw new CommandError(event.data);
        const { metadata } = JSON.parse(event.data) as Pick<Resource, 'metadata'>;
        process.stdout.write(`${event.type.padEnd(8)} ${metadata.namespace}/${metadata.name}\n`);
      }
    } catch (error) {
      if (error instanceof CommandError) throw error;
    }
    note('the connection ended, watching goes on');
    await new Promise((wake) => {
      setTimeout(wake, RECONNECT_MS);
    });
  }
}
