import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestControl } from '../../test/fixtures/control.ts';
import { ADMIN, serviceEntry, startTestControl } from '../../test/fixtures/control.ts';

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl({ keepRevisions: 100 });
});
afterAll(() => control.close());

interface Seen {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Reads frames until `count` of them came. */
async function frames(path: string, count: number, headers = {}): Promise<Seen[]> {
  const ended = new AbortController();
  const response = await fetch(control.url + path, {
    headers: { authorization: `Bearer ${ADMIN}`, ...headers },
    signal: ended.signal,
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.split('\n\n').length > count) break;
  }
  ended.abort();
  return text
    .split('\n\n')
    .slice(0, count)
    .map((frame) => ({
      type: /^event: (.*)$/m.exec(frame)?.[1] ?? '',
      id: /^id: (.*)$/m.exec(frame)?.[1],
      data: JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '{}') as Record<string, unknown>,
    }));
}

const apply = (body: string) => control.ask('POST', '/v1/apply', { body });
const revisionNow = async (): Promise<number> =>
  Number((await control.ask('GET', '/v1/resources/core/Service')).body['revision']);

describe('watch', () => {
  it('tells changes as they are committed, the id on the last of a revision', async () => {
    const seen = frames('/v1/watch?kind=ServiceEntry', 5);
    await new Promise((wake) => {
      setTimeout(wake, 50);
    });
    await apply(`${serviceEntry('w1')}---\n${serviceEntry('w2')}`);
    await apply(serviceEntry('w1', 81));
    await control.ask('DELETE', '/v1/resources/networking.istio.io/ServiceEntry/default/w2');
    const events = await seen;
    expect(events.map(({ type }) => type)).toEqual([
      'BOOKMARK',
      'ADDED',
      'ADDED',
      'MODIFIED',
      'DELETED',
    ]);
    expect(events[1]?.id).toBeUndefined();
    expect(events[2]?.id).toBeDefined();
  });

  it('resumes from a revision without gap or repeat', async () => {
    const start = await revisionNow();
    for (const name of ['r1', 'r2', 'r3']) await apply(serviceEntry(name));
    const names = (events: Seen[]): unknown[] =>
      events
        .filter(({ type }) => type === 'ADDED')
        .map(({ data }) => (data['metadata'] as { name: string }).name);
    const all = await frames(`/v1/watch?kind=ServiceEntry&revision=${start}`, 4);
    expect(names(all)).toEqual(['r1', 'r2', 'r3']);
    const resumed = await frames('/v1/watch?kind=ServiceEntry', 3, {
      'last-event-id': all[1]?.id ?? '',
    });
    expect(names(resumed)).toEqual(['r2', 'r3']);
  });

  it('hides what Secrets hold, and shows only what was asked for', async () => {
    const start = await revisionNow();
    await apply('apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: hunter2}\n');
    await apply(serviceEntry('labelled', 80, '{team: a}'));
    const [, secret] = await frames(`/v1/watch?kind=Secret&revision=${start}`, 2);
    expect(JSON.stringify(secret)).not.toContain('hunter2');
    const [, labelled] = await frames(`/v1/watch?labelSelector=team%3Da&revision=${start}`, 2);
    expect(labelled?.data['metadata']).toMatchObject({ name: 'labelled' });
  });

  it('answers 410 to who comes back after what it missed was dropped', async () => {
    const start = await revisionNow();
    for (let index = 0; index < 210; index++) await apply(serviceEntry('busy', 1000 + index));
    expect((await control.ask('GET', `/v1/watch?revision=${start}`)).status).toBe(410);
    expect((await control.ask('GET', '/v1/watch?revision=1000000')).status).toBe(410);
    expect((await control.ask('GET', '/v1/watch?revision=x')).status).toBe(400);
    const back = await control.ask('POST', '/v1/rollback', {
      body: JSON.stringify({ revision: start }),
    });
    expect(back.status).toBe(410);
  });
});
