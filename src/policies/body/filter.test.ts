import { describe, expect, it } from 'vitest';
import { createFakeHost } from '../../host/fake-host.ts';
import { RequestHeaderList } from '../../lib/header-list.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import { bodyCompiler } from './compile.ts';
import { bodyFilter } from './filter.ts';
import type { BodyPart } from './schema.ts';

const mesh = {} as MeshSettings;

function linked(part: BodyPart): Filter {
  const compiled = bodyCompiler.compilePart?.(part, { policy: 'edge/small', mesh });
  return bodyFilter.link(JSON.parse(JSON.stringify(compiled?.config)), {
    host: createFakeHost(),
    slot: 0,
    mesh,
    keys: () => undefined,
    refreshKeys: () => Promise.resolve(),
    call: () => Promise.reject(new Error('asks nobody')),
  });
}

function exchange(fields: readonly (readonly [string, string])[]): Exchange {
  const line = { method: 'POST', scheme: 'http', authority: 'a', target: '/' } as const;
  const request = new RequestHeaderList(line, fields);
  return { request, bodyLimit: undefined, decidedBy: '', trace: [] } as unknown as Exchange;
}

const reply = (filter: Filter, x: Exchange): LocalReply | undefined =>
  filter.request?.(x) as LocalReply | undefined;

describe('maxBytes', () => {
  const filter = linked({ maxBytes: 10 });

  it('refuses a declared length past it at once', () => {
    const x = exchange([['content-length', '11']]);
    expect(reply(filter, x)).toMatchObject({
      status: 413,
      body: 'payload too large',
      details: 'request_payload_too_large[edge/small]',
    });
    expect(x.decidedBy).toBe('edge/small');
    expect(x.trace?.[0]).toMatchObject({
      outcome: 'denied',
      detail: 'body.maxBytes: content-length 11',
      origin: { path: 'spec.body.maxBytes' },
    });
    expect(reply(filter, exchange([['content-length', '10']]))).toBeUndefined();
  });

  it('leaves what has no length to the driver, which holds the smallest bound', () => {
    const x = exchange([['transfer-encoding', 'chunked']]);
    expect(reply(filter, x)).toBeUndefined();
    expect(x.bodyLimit).toMatchObject({
      maxBytes: 10,
      policy: 'edge/small',
      reply: { status: 413 },
    });
    reply(linked({ maxBytes: 20 }), x);
    expect(x.bodyLimit?.maxBytes).toBe(10);
    reply(linked({ maxBytes: 0 }), x);
    expect(x.bodyLimit?.maxBytes).toBe(0);
  });

  it('asks nothing of a request without a body', () => {
    const x = exchange([['content-length', '0']]);
    expect(reply(linked({ maxBytes: 0, contentTypes: ['a/b'] }), x)).toBeUndefined();
    expect(x.bodyLimit).toBeUndefined();
  });
});

describe('contentTypes', () => {
  const filter = linked({ contentTypes: ['Application/JSON', 'image/*'] });
  const status = (...types: string[]): number | undefined =>
    reply(
      filter,
      exchange([
        ['content-length', '2'],
        ...types.map((type): [string, string] => ['content-type', type]),
      ]),
    )?.status;

  it.each([
    'application/json',
    'APPLICATION/Json',
    'application/json;charset=utf-8',
    ' application/json ; a="b;c"',
    'image/svg+xml',
  ])('take %j', (type) => {
    expect(status(type)).toBeUndefined();
  });

  it.each([
    'text/plain',
    'application/jsonx',
    'application/json, text/html',
    'application/json text/html',
    'json',
    '',
    'imagex/png',
  ])('refuse %j', (type) => {
    expect(status(type)).toBe(415);
  });

  it('refuse a body without type, and one with two', () => {
    expect(status()).toBe(415);
    expect(status('application/json', 'application/json')).toBe(415);
  });
});
