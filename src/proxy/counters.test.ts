import { describe, expect, test } from 'vitest';
import { bench } from '../../test/fixtures/bench.ts';
import {
  cluster,
  clusterName,
  endpoint,
  listener,
  noKeys,
  overlay,
  route,
  shopEndpoint,
  snapshot,
  virtualHost,
} from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList, ResponseHeaderList } from '../lib/header-list.ts';
import type { Exchange } from '../model/exchange.ts';
import { RequestCounters } from './counters.ts';
import { createEngine } from './engine.ts';
import type { EngineExchange } from './exchange.ts';
import { link } from './link.ts';

describe('engine.stats', () => {
  test('nothing is there before the first request', () => {
    expect(bench().engine.stats()).toEqual({ active: 0, listeners: {}, clusters: {} });
  });

  test('counts by listener and cluster, class and flags', () => {
    const { engine, begin } = bench();
    const answered = (status: number): void => {
      const x = begin();
      engine.onRequest(x);
      engine.onResponse(x, new ResponseHeaderList(status, []));
      engine.onEnd(x);
    };
    for (const status of [200, 204, 404, 503]) answered(status);
    const failed = begin();
    engine.onRequest(failed);
    engine.onFailure(failed, 'connect-failure');
    engine.onEnd(failed);
    const under = begin();
    const counts = {
      requests: 5,
      classes: { '2xx': 2, '4xx': 1, '5xx': 2 },
      flags: { UF: 1 },
    };
    expect(engine.stats()).toEqual({
      active: 1,
      listeners: { 'http-80': counts },
      clusters: { [clusterName('shop')]: counts },
    });
    engine.onEnd(under);
    expect(engine.stats().active).toBe(0);
  });

  test('a client that left before any answer counts, with class 0', () => {
    const { engine, begin } = bench();
    const x = begin();
    engine.onRequest(x);
    engine.onEnd(x, { cancelled: true });
    expect(engine.stats().listeners['http-80']).toEqual({
      requests: 1,
      classes: { '0': 1 },
      flags: {},
    });
  });

  test('what reaches no listener and no cluster is counted all the same', () => {
    const { engine, begin } = bench({ listeners: [] });
    const x = begin();
    engine.onRequest(x);
    engine.onEnd(x);
    expect(engine.stats()).toEqual({
      active: 0,
      listeners: { '': { requests: 1, classes: { '4xx': 1 }, flags: { NR: 1 } } },
      clusters: {},
    });
  });

  test('goes on counting under the same names when a new snapshot brings new objects', () => {
    const host = createFakeHost();
    const engine = createEngine({ host });
    for (let round = 0; round < 3; round++) {
      const named = snapshot({
        listeners: [listener({ virtualHosts: [virtualHost([route()])] })],
        clusters: [cluster('shop')],
      });
      const linked = link(named, round === 0 ? shopEndpoint : other, noKeys, { host, filters: [] });
      const line = { method: 'GET', scheme: 'http', authority: 'a', target: '/' } as const;
      const head = new RequestHeaderList(line, []);
      const x = engine.begin({ linked, head, peer: { ip: '192.0.2.7' }, port: 80 });
      engine.onRequest(x);
      engine.onResponse(x, new ResponseHeaderList(200, []));
      engine.onEnd(x);
    }
    const { listeners, clusters } = engine.stats();
    expect([Object.keys(listeners), Object.keys(clusters)]).toEqual([
      ['http-80'],
      [clusterName('shop')],
    ]);
    expect(listeners['http-80']?.requests).toBe(3);
  });
  const other = overlay({ [clusterName('shop')]: [endpoint('10.0.0.2')] });
});

test('flags without end are counted together from some number on', () => {
  const counters = new RequestCounters();
  for (let i = 0; i < 100; i++) {
    counters.begin();
    const x: Partial<Exchange> = { flags: `F${i}`, listener: listener() };
    counters.end(x as EngineExchange);
  }
  const counts = counters.view().listeners['http-80'];
  expect(Object.keys(counts?.flags ?? {})).toHaveLength(65);
  expect(counts?.flags['other']).toBe(36);
});
