import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import type { FakeHost } from '../../host/fake-host.ts';
import type { HttpFault, Resource } from '../../model/api.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { faultCompiler } from './compile.ts';
import { faultFilter } from './filter.ts';

function linked(fault: HttpFault, host: FakeHost): Filter {
  const compiled = faultCompiler.compileRoute?.({
    route: { fault },
    resource: {} as Resource,
    path: 'spec.http[0]',
  });
  return faultFilter.link(compiled?.filter?.config, {
    host,
    slot: 0,
    mesh: {} as MeshSettings,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('nobody can be reached')),
  });
}

const exchange = (flags = ''): Exchange => ({ flags }) as unknown as Exchange;
const replyOf = (answer: unknown): LocalReply => answer as LocalReply;

describe('abort', () => {
  it('answers with the status asked for, its body and flag', () => {
    const filter = linked(
      { abort: { httpStatus: 503, percentage: { value: 100 } } },
      createFakeHost(),
    );
    expect(filter.request?.(exchange())).toEqual({
      status: 503,
      body: 'fault filter abort',
      headers: [['content-type', 'text/plain']],
      flag: 'FI',
      details: 'fault_filter_abort',
    });
  });

  it('answers gRPC in headers alone', () => {
    const filter = linked(
      { abort: { grpcStatus: 'UNAVAILABLE', percentage: { value: 100 } } },
      createFakeHost(),
    );
    const reply = replyOf(filter.request?.(exchange()));
    expect([reply.status, reply.body, reply.flag]).toEqual([200, '', 'FI']);
    expect(Object.fromEntries(reply.headers)).toEqual({
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'grpc-message': 'fault filter abort',
    });
  });

  it('takes the share that is drawn, exact to a ten-thousandth of a percent', () => {
    const aborts = (value: number, draw: number): boolean =>
      linked(
        { abort: { httpStatus: 500, percentage: { value } } },
        createFakeHost({ draws: [draw] }),
      ).request?.(exchange()) !== undefined;
    expect([aborts(10, 0.0999), aborts(10, 0.1)]).toEqual([true, false]);
    expect([aborts(0.0001, 0.0000005), aborts(0.0001, 0.000001)]).toEqual([true, false]);
    expect([aborts(0, 0), aborts(100, 0.999999)]).toEqual([false, true]);
  });

  it('never happens without a percentage', () => {
    const host = createFakeHost({ fallback: 0 });
    expect(linked({ abort: { httpStatus: 500 } }, host).request?.(exchange())).toBeUndefined();
  });
});

describe('delay', () => {
  const delay = { fixedDelay: '2s', percentage: { value: 100 } };

  it('waits by the clock, marks the exchange, and lets the request go on', async () => {
    const host = createFakeHost();
    const x = exchange();
    let isDone = false;
    const answer = Promise.resolve(linked({ delay }, host).request?.(x)).then((reply) => {
      isDone = true;
      return reply;
    });
    host.advance(1_999);
    await Promise.resolve();
    expect([x.flags, isDone]).toEqual(['DI', false]);
    host.advance(1);
    expect(await answer).toBeUndefined();
  });

  it('keeps the flags that are there', async () => {
    const x = exchange('UT');
    await linked({ delay }, createFakeHost({ sleepless: true })).request?.(x);
    expect(x.flags).toBe('UT,DI');
  });

  it('is drawn by itself; an abort follows the delay with a draw of its own', async () => {
    const fault: HttpFault = {
      delay: { fixedDelay: '1s', percentage: { value: 50 } },
      abort: { httpStatus: 418, percentage: { value: 50 } },
    };
    const run = async (...draws: number[]): Promise<[number | undefined, number]> => {
      const host = createFakeHost({ draws, sleepless: true });
      const start = host.clock.nowMs();
      const reply = await linked(fault, host).request?.(exchange());
      return [reply?.status, host.clock.nowMs() - start];
    };
    expect(await run(0.1, 0.1)).toEqual([418, 1_000]);
    expect(await run(0.1, 0.9)).toEqual([undefined, 1_000]);
    expect(await run(0.9, 0.1)).toEqual([418, 0]);
    expect(await run(0.9, 0.9)).toEqual([undefined, 0]);
  });

  it('also reads the old whole-number percent', async () => {
    const host = createFakeHost({ draws: [0.24], sleepless: true });
    const x = exchange();
    await linked({ delay: { fixedDelay: '1s', percent: 25 } }, host).request?.(x);
    expect(x.flags).toBe('DI');
  });
});
