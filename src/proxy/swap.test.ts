import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clusterName, endpoint, noKeys, overlay, snapshot } from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../lib/header-list.ts';
import type { Exchange } from '../model/exchange.ts';
import { createEngine } from './engine.ts';
import type { LinkedSnapshot } from './link.ts';
import { link } from './link.ts';
import { CurrentSnapshot } from './swap.ts';

const host = createFakeHost();

/** A snapshot whose only endpoint is named after its version. */
function version(number: number): LinkedSnapshot {
  const named = { ...snapshot(), version: `s${number}` };
  const endpoints = overlay({ [clusterName('shop')]: [endpoint(`10.0.0.${number}`)] });
  return link(named, endpoints, noKeys, { host, filters: [] });
}

test('the same triple is not put in force again: what it has learned stays', () => {
  const current = new CurrentSnapshot();
  expect(current.linked).toBeUndefined();
  const first = version(1);
  expect(current.swap(first)).toBeUndefined();
  expect(current.swap(version(1))).toBe(first);
  expect([current.linked, current.swaps]).toEqual([first, 1]);
  const second = version(2);
  expect(current.swap(second)).toBe(first);
  expect([current.linked, current.swaps]).toEqual([second, 2]);
});

type Action = 'begin' | 'request' | 'response' | 'end' | 'swap';

test('whatever is swapped and when, every request ends on the snapshot that it began with', () => {
  const actions = fc.constantFrom<Action>('begin', 'request', 'response', 'end', 'swap');
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 80 }), (list) => {
      const engine = createEngine({ host });
      const current = new CurrentSnapshot();
      const line = { method: 'GET', scheme: 'http', authority: 'shop.test', target: '/' } as const;
      let newest = 1;
      current.swap(version(newest));
      const states: { x: Exchange; began: number; stage: Action }[] = [];
      /** The oldest request that stands there takes the next step. */
      const next = (from: Action): (typeof states)[number] | undefined =>
        states.find(({ stage }) => stage === from);
      let begun = 0;
      let ended = 0;
      const step = (action: Action): void => {
        if (action === 'swap') current.swap(version(++newest));
        else if (action === 'begin') {
          const linked = current.linked as LinkedSnapshot;
          const head = new RequestHeaderList(line, []);
          const x = engine.begin({ linked, head, peer: { ip: '192.0.2.7' }, port: 80 });
          states.push({ x, began: newest, stage: 'begin' });
          begun++;
        } else if (action === 'request') {
          const state = next('begin');
          if (state === undefined) return;
          expect(engine.onRequest(state.x)).toBe('forward');
          expect(state.x.endpoint?.address).toBe(`10.0.0.${state.began}`);
          state.stage = 'request';
        } else if (action === 'response') {
          const state = next('request');
          if (state === undefined) return;
          expect(engine.onResponse(state.x, new ResponseHeaderList(200, []))).toBe('deliver');
          state.stage = 'response';
        } else {
          const state = next('response');
          if (state === undefined) return;
          host.lines.length = 0;
          engine.onEnd(state.x);
          expect(JSON.parse(host.lines[0] ?? '{}')).toMatchObject({
            snapshot: `s${state.began}`,
            status: 200,
          });
          state.stage = 'end';
          ended++;
        }
      };
      for (const action of list) step(action);
      for (const action of ['request', 'response', 'end'] as const)
        for (let i = 0; i < begun; i++) step(action);
      expect(ended).toBe(begun);
      const { active, listeners } = engine.stats();
      expect([active, listeners['http-80']?.classes['2xx'] ?? 0]).toEqual([0, begun]);
    }),
    { numRuns: 300 },
  );
});
