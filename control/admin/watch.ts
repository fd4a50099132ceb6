/** Watch over server-sent events: from a revision, without gap; 410 when that revision is no longer kept. */
import { z } from '@hono/zod-openapi';
import type { Resource } from '../../src/model/api.ts';
import type { Store, StoreEvent } from '../../src/model/store.ts';
import { isTakenBack } from '../access/guard.ts';
import { isClusterWide } from '../access/rights.ts';
import { isStillGood } from '../auth.ts';
import { Problem } from '../problem.ts';
import { RESOURCE_PREFIX, readResource, redact } from '../resources.ts';
import type { App, Ctx, Services } from './context.ts';
import { permitSome, sees } from './context.ts';
import { describe } from './describe.ts';
import { readQuery } from './input.ts';
import { selects } from './selector.ts';

const BOOKMARK_MS = 15_000;
const BATCH = 200;
const MAX_WATCHERS = 100;

const watchQuery: z.ZodType<{
  group?: string | undefined;
  kind?: string | undefined;
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  revision?: number | undefined;
}> = z.object({
  group: z.string().optional(),
  kind: z.string().optional(),
  namespace: z.string().optional(),
  labelSelector: z.string().optional(),
  revision: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .openapi({ description: 'changes after it; absent: from now. Last-Event-ID goes before it' }),
});

interface Watcher {
  readonly store: Store;
  cursor: number;
  /** Does a key (and what is stored under it) concern the watcher? */
  readonly concerns: (event: StoreEvent) => boolean;
  /** Is the credential that opened it still one? */
  readonly isGood: () => Promise<boolean>;
  /** Keys whose record exists at the cursor: tells ADDED from MODIFIED. */
  readonly known: Set<string>;
}

interface Message {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly data: unknown;
  /** Absent on all but the last message of a revision: a watcher that resumes gets whole revisions again. */
  readonly id?: number;
}

function frame({ type, data, id }: Message): string {
  return `event: ${type}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}

function messageOf(watcher: Watcher, event: StoreEvent): Omit<Message, 'id'> {
  const [group, kind, namespace, name] = event.key.slice(RESOURCE_PREFIX.length).split('/');
  if (event.value === undefined) {
    watcher.known.delete(event.key);
    const metadata = { namespace, name, resourceVersion: String(event.revision) };
    return { type: 'DELETED', data: { group: group === 'core' ? '' : group, kind, metadata } };
  }
  const type = watcher.known.has(event.key) ? 'MODIFIED' : 'ADDED';
  watcher.known.add(event.key);
  const resource = readResource(event.value, event.revision);
  return { type, data: redact(resource) };
}

/** The next messages, waiting for a commit if there are none yet; a bookmark after a while of nothing. */
async function nextMessages(watcher: Watcher, ended: AbortSignal): Promise<string> {
  const committed = waitForCommit(watcher.store, ended);
  try {
    for (;;) {
      if (!(await watcher.isGood())) {
        const data = { status: 401, detail: 'the credential was revoked or has expired' };
        return frame({ type: 'ERROR', data });
      }
      const { compacted, events } = await watcher.store.eventsAfter(watcher.cursor, BATCH);
      if (compacted) {
        const data = { status: 410, detail: `revision ${watcher.cursor} is not kept: list again` };
        return frame({ type: 'ERROR', data });
      }
      const whole = wholeRevisions(events);
      const messages = whole.flatMap((event, index) => {
        if (!watcher.concerns(event)) return [];
        const isLast = whole[index + 1]?.revision !== event.revision;
        const message = messageOf(watcher, event);
        return [frame(isLast ? { ...message, id: event.revision } : message)];
      });
      watcher.cursor = whole.at(-1)?.revision ?? watcher.cursor;
      if (messages.length > 0) return messages.join('');
      if (whole.length > 0) continue;
      await committed.next();
      if (ended.aborted) return '';
      if (committed.isIdle())
        return frame({
          type: 'BOOKMARK',
          data: { revision: watcher.cursor },
          id: watcher.cursor,
        });
    }
  } finally {
    committed.end();
  }
}

/** A full batch may end within a revision; that one is read again, unless it is all there is. */
function wholeRevisions(events: readonly StoreEvent[]): readonly StoreEvent[] {
  const last = events.at(-1)?.revision;
  if (events.length < BATCH || events[0]?.revision === last) return events;
  return events.filter(({ revision }) => revision !== last);
}

interface CommitWait {
  next(): Promise<void>;
  isIdle(): boolean;
  end(): void;
}

function waitForCommit(store: Store, ended: AbortSignal): CommitWait {
  let isIdle = false;
  let hasCommitted = false;
  let wake = (): void => undefined;
  const stop = store.onCommit(() => {
    hasCommitted = true;
    wake();
  });
  const timer = setTimeout(() => {
    isIdle = true;
    wake();
  }, BOOKMARK_MS);
  const onEnd = (): void => {
    wake();
  };
  ended.addEventListener('abort', onEnd);
  return {
    async next() {
      if (!hasCommitted && !isIdle && !ended.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      hasCommitted = false;
    },
    isIdle: () => isIdle,
    end() {
      stop();
      clearTimeout(timer);
      ended.removeEventListener('abort', onEnd);
    },
  };
}

function streamOf(watcher: Watcher, onEnd: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const ended = new AbortController();
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const data = { revision: watcher.cursor };
      controller.enqueue(encoder.encode(frame({ type: 'BOOKMARK', data, id: watcher.cursor })));
    },
    // Called only while the reader keeps up: a slow one costs no memory.
    async pull(controller) {
      const text = await nextMessages(watcher, ended.signal);
      if (ended.signal.aborted) return;
      controller.enqueue(encoder.encode(text));
      if (text.startsWith('event: ERROR')) {
        onEnd();
        controller.close();
      }
    },
    cancel() {
      ended.abort();
      onEnd();
    },
  });
}

function concernsOf(c: Ctx, query: z.infer<typeof watchQuery>): Watcher['concerns'] {
  const matches = selects(query.labelSelector ?? '');
  const wanted = [query.group === '' ? 'core' : query.group, query.kind, query.namespace];
  return ({ key, value }) => {
    if (!key.startsWith(RESOURCE_PREFIX)) return false;
    const parts = key.slice(RESOURCE_PREFIX.length).split('/');
    const [group = '', kind = '', namespace] = parts;
    if (!sees(c, isClusterWide(`${group}/${kind}`) ? undefined : namespace)) return false;
    if (!wanted.every((part, index) => part === undefined || part === parts[index])) return false;
    return value === undefined || matches(JSON.parse(value) as Resource);
  };
}

async function startRevision(c: Ctx, store: Store, given: number | undefined): Promise<number> {
  const resumed = c.req.header('last-event-id');
  const start = resumed === undefined ? given : Number(resumed);
  const current = await store.revision();
  if (start === undefined) return current;
  if (!Number.isInteger(start) || start < 0)
    throw new Problem(400, 'bad request', `Last-Event-ID ${resumed ?? ''}: want a revision`);
  const { compacted } = await store.eventsAfter(start, 1);
  if (compacted || start > current)
    throw new Problem(
      410,
      'gone',
      `revision ${start} is not kept: list again, then watch from there`,
    );
  return start;
}

/** What existed when the watch begins: the keys of now, less what changed since. */
async function knownAt(store: Store, revision: number): Promise<Set<string>> {
  const { records } = await store.list(RESOURCE_PREFIX);
  return new Set(
    records.filter(({ createdRevision }) => createdRevision <= revision).map(({ key }) => key),
  );
}

export function watchRoutes(app: App, { deps, guards }: Services): void {
  const { store } = deps;
  let watchers = 0;
  describe(app, {
    method: 'get',
    path: '/v1/watch',
    summary:
      'changes as server-sent events ADDED, MODIFIED, DELETED, BOOKMARK, ERROR; the id is the revision',
    role: 'viewer',
    query: watchQuery as z.ZodObject,
    answer: z.string(),
    answerType: 'text/event-stream',
    refusals: { 410: 'the revision is not kept any more', 503: 'too many watchers' },
  });
  app.get('/v1/watch', async (c) => {
    permitSome(c, 'watch', 'configuration');
    const query = readQuery(c, watchQuery);
    if (query.namespace !== undefined && !sees(c, query.namespace))
      throw new Problem(403, 'forbidden', `the credential is not of namespace ${query.namespace}`);
    const cursor = await startRevision(c, store, query.revision);
    if (watchers >= MAX_WATCHERS)
      throw new Problem(503, 'unavailable', `${MAX_WATCHERS} watch already`);
    watchers++;
    const known = await knownAt(store, cursor);
    const principal = c.get('principal');
    const watcher: Watcher = {
      store,
      cursor,
      known,
      concerns: concernsOf(c, query),
      isGood: async () =>
        (await isStillGood(principal, store, deps.nowMs())) &&
        !(await isTakenBack(principal, guards)),
    };
    const body = streamOf(watcher, () => {
      watchers--;
    });
    return c.body(body, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  });
}
