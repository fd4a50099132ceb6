/** Calls of gRPC through the whole proxy, both ends by grpc-js. */
import { gzipSync } from 'node:zlib';
import { credentials, Metadata, status } from '@grpc/grpc-js';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { call, GrpcStage, pairs, readAll } from '../../test/fixtures/grpc.ts';
import { Pki } from '../../test/fixtures/pki.ts';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Done = sendUnaryData<Buffer>;

const stage = new GrpcStage();
const pki = new Pki();
afterEach(() => stage.close());
afterAll(() => pki.remove());

const echoing: UntypedServiceImplementation = {
  unary: ({ request }: Unary, done: Done) => done(null, request),
  collect(stream: ServerReadableStream<Buffer, Buffer>, done: Done) {
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => done(null, Buffer.concat(pieces)));
  },
  list(stream: ServerWritableStream<Buffer, Buffer>) {
    for (let i = 0; i < Number(stream.request); i++) stream.write(Buffer.from(`${i}`));
    stream.end();
  },
  chat(stream: ServerDuplexStream<Buffer, Buffer>) {
    stream.on('data', (piece: Buffer) => stream.write(piece));
    stream.on('end', () => stream.end());
  },
};

const failing = (code: number, details: string): UntypedServiceImplementation => ({
  ...echoing,
  unary: (_call: Unary, done: Done) => done({ code, details }),
});

const until = (what: () => boolean): Promise<void> => expect.poll(what).toBe(true);

describe('calls of every kind', () => {
  it('pass in plaintext', async () => {
    const { proxy } = await stage.before(echoing);
    const client = stage.client(proxy.port);
    expect(await call(client, 'hello')).toMatchObject({ code: 0, answer: 'hello' });
    const collected = new Promise((resolve) => {
      const stream = client.collect(new Metadata(), (_error, answer) => resolve(String(answer)));
      for (const piece of ['a', 'b', 'c']) stream.write(Buffer.from(piece));
      stream.end();
    });
    expect(await collected).toBe('abc');
    const listed = await readAll(client.list(Buffer.from('5'), new Metadata()));
    expect(listed).toMatchObject({ code: 0, answers: ['0', '1', '2', '3', '4'] });
    const chat = client.chat();
    const chatted = readAll(chat);
    chat.write(Buffer.from('x'));
    chat.once('data', () => {
      chat.write(Buffer.from('y'));
      chat.end();
    });
    expect(await chatted).toMatchObject({ code: 0, answers: ['x', 'y'] });
    expect(proxy.faults).toEqual([]);
    expect(proxy.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(
      Array.from({ length: 4 }, () => ({ status: 200, grpc_status: 0 })),
    );
    expect(proxy.plane.engine.stats().listeners['http.80']?.grpc).toEqual({ 0: 4 });
  });

  it('pass over TLS', async () => {
    const root = pki.authority('root');
    const { certificate, key } = root.issue({ names: 'DNS:a.example' });
    const { proxy } = await stage.before(echoing, {
      server:
        "{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}",
      listenerPort: 443,
      secrets: { 'default/cert': { certificate, key } },
    });
    const client = stage.client(
      proxy.port,
      { 'grpc.ssl_target_name_override': 'a.example', 'grpc.default_authority': 'a.example' },
      credentials.createSsl(Buffer.from(root.certificate)),
    );
    expect(await call(client, 'hello')).toMatchObject({ code: 0, answer: 'hello' });
    const chat = client.chat();
    const chatted = readAll(chat);
    chat.end(Buffer.from('x'));
    expect(await chatted).toMatchObject({ code: 0, answers: ['x'] });
  });

  it('carry metadata both ways, in bytes too, and details of a status', async () => {
    const seen: Record<string, unknown> = {};
    const { proxy } = await stage.before({
      unary({ metadata, request }: Unary, done: Done) {
        Object.assign(seen, metadata.getMap());
        const trailers = pairs({ 'x-last-bin': Buffer.from([0, 255, 1]), 'x-last': 'yes' });
        if (String(request) === 'fail')
          done({ code: status.NOT_FOUND, details: 'no, 100 % ü', metadata: trailers });
        else done(null, request, trailers);
      },
    });
    const client = stage.client(proxy.port);
    const metadata = pairs({ 'x-one': 'a', 'x-raw-bin': Buffer.from([1, 0, 200]) });
    const called = await call(client, 'ok', { metadata });
    expect(seen).toMatchObject({ 'x-one': 'a', 'x-raw-bin': Buffer.from([1, 0, 200]) });
    expect(called.trailers.getMap()).toMatchObject({
      'x-last-bin': Buffer.from([0, 255, 1]),
      'x-last': 'yes',
    });
    const failed = await call(client, 'fail', { metadata });
    expect(failed).toMatchObject({ code: status.NOT_FOUND, details: 'no, 100 % ü' });
    expect(failed.trailers.get('x-last-bin')).toEqual([Buffer.from([0, 255, 1])]);
  });

  it('pass compressed, and large', async () => {
    const { proxy } = await stage.before(echoing);
    const client = stage.client(proxy.port, { 'grpc.default_compression_algorithm': 2 });
    const text = 'abcdefgh'.repeat(1000);
    expect(gzipSync(text).length).toBeLessThan(text.length / 10);
    expect((await call(client, text)).answer).toBe(text);
    const line = JSON.parse(proxy.lines[0] ?? '{}') as { bytes_received: number };
    expect(line.bytes_received).toBeLessThan(text.length / 10);
    const large = 'x'.repeat(3_000_000);
    const plain = stage.client(proxy.port);
    expect((await call(plain, large)).answer?.length).toBe(large.length);
  });

  it('pass many at a time', async () => {
    const { proxy } = await stage.before(echoing);
    const client = stage.client(proxy.port);
    const unary = Array.from({ length: 200 }, (_, i) => call(client, `m${i}`));
    const chats = Array.from({ length: 100 }, async (_, i) => {
      const chat = client.chat();
      const all = readAll(chat);
      for (let piece = 0; piece < 5; piece++) chat.write(Buffer.from(`${i}.${piece}`));
      chat.end();
      return all;
    });
    for (const [i, { code, answer }] of (await Promise.all(unary)).entries())
      expect([code, answer]).toEqual([0, `m${i}`]);
    for (const [i, { code, answers }] of (await Promise.all(chats)).entries())
      expect([code, answers]).toEqual([0, [0, 1, 2, 3, 4].map((piece) => `${i}.${piece}`)]);
    expect(proxy.plane.engine.stats().active).toBe(0);
  });
});

describe('the end of a call', () => {
  it('brings every status', async () => {
    const codes = Array.from({ length: 16 }, (_, i) => i + 1);
    const { proxy } = await stage.before({
      unary: ({ request }: Unary, done: Done) => done({ code: Number(request), details: 'so' }),
    });
    const client = stage.client(proxy.port);
    const called = await Promise.all(codes.map((code) => call(client, String(code))));
    expect(called.map(({ code }) => code)).toEqual(codes);
    const logged = proxy.lines.map(
      (line) => (JSON.parse(line) as { grpc_status: number }).grpc_status,
    );
    expect(logged.toSorted((a, b) => a - b)).toEqual(codes);
  });

  it('comes by cancellation of the client', async () => {
    let cancelled = 0;
    const { proxy } = await stage.before({
      ...echoing,
      unary: (under: Unary) => void under.on('cancelled', () => cancelled++),
      chat: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        stream.write(Buffer.from('first'));
        stream.on('cancelled', () => cancelled++);
      },
    });
    const client = stage.client(proxy.port);
    const under = client.unary(Buffer.from('x'), new Metadata(), {}, () => undefined);
    const chat = client.chat();
    const all = readAll(chat);
    await new Promise((resolve) => chat.once('data', resolve));
    chat.cancel();
    under.cancel();
    expect((await all).code).toBe(status.CANCELLED);
    await until(() => cancelled === 2);
    await until(() => proxy.plane.engine.stats().active === 0);
  });

  it('comes before the client has said all', async () => {
    const { proxy } = await stage.before({
      ...echoing,
      chat: (stream: ServerDuplexStream<Buffer, Buffer>) =>
        void stream.once('data', () =>
          stream.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'enough' }),
        ),
    });
    const chat = stage.client(proxy.port).chat();
    const all = readAll(chat);
    chat.write(Buffer.from('x'));
    expect(await all).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: 'enough' });
  });

  it('is told where the upstream is lost behind its head', async () => {
    const { proxy, server } = await stage.before({
      ...echoing,
      list: (stream: ServerWritableStream<Buffer, Buffer>) => void stream.write(Buffer.from('1')),
    });
    const listed = stage.client(proxy.port).list(Buffer.from(''), new Metadata());
    const all = readAll(listed);
    await new Promise((resolve) => listed.once('data', resolve));
    server.close();
    expect(await all).toMatchObject({ code: status.UNAVAILABLE, answers: ['1'] });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: 14, flags: 'UC' });
  });

  it('is UNAVAILABLE where nobody listens, UNIMPLEMENTED where no route leads', async () => {
    const proxy = await stage.proxyBefore([1], {
      rules:
        '[{match: [{uri: {prefix: /test.Echo/Unary}}], route: [{destination: {host: back.test}}]}]',
    });
    const client = stage.client(proxy.port);
    expect((await call(client, 'x')).code).toBe(status.UNAVAILABLE);
    const listed = await readAll(client.list(Buffer.from('1'), new Metadata()));
    expect(listed.code).toBe(status.UNIMPLEMENTED);
  });
});

describe('time', () => {
  const silent: UntypedServiceImplementation = {
    unary: () => undefined,
    list: (stream: ServerWritableStream<Buffer, Buffer>) => void stream.write(Buffer.from('1')),
    chat: echoing['chat'] as never,
    collect: echoing['collect'] as never,
  };
  const timeout = (ms: number): { rules: string } => ({
    rules: `[{route: [{destination: {host: back.test}}], timeout: ${ms}ms}]`,
  });

  it("is the caller's, which the upstream hears of", async () => {
    let left = 0;
    const { proxy } = await stage.before(
      {
        ...echoing,
        unary: (under: Unary, done: Done) => {
          left = Number(under.getDeadline()) - Date.now();
          done(null, under.request);
        },
      },
      timeout(5000),
    );
    const client = stage.client(proxy.port);
    expect((await call(client, 'x', { deadline: Date.now() + 2000 })).code).toBe(0);
    expect(left).toBeGreaterThan(1000);
    expect(left).toBeLessThan(2100);
    await call(client, 'x');
    expect(left).toBeGreaterThan(4000);
    expect(left).toBeLessThan(5100);
  });

  it("is at most the route's, and ends with DEADLINE_EXCEEDED", async () => {
    const { proxy } = await stage.before(silent, timeout(100));
    const client = stage.client(proxy.port);
    const called = await call(client, 'x', { deadline: Date.now() + 5000 });
    expect(called).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      details: 'upstream request timeout',
    });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: 4, flags: 'UT' });
  });

  it('bounds an answer that has begun', async () => {
    const { proxy } = await stage.before(silent, timeout(100));
    const client = stage.client(proxy.port);
    const listed = await readAll(client.list(Buffer.from(''), new Metadata()));
    expect(listed).toMatchObject({ code: status.DEADLINE_EXCEEDED, answers: ['1'] });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: 4, flags: 'UT' });
  });

  it("ends by the caller's own deadline upstream too", async () => {
    let cancelled = false;
    const { proxy } = await stage.before({
      ...silent,
      unary: (under: Unary) => void under.on('cancelled', () => (cancelled = true)),
    });
    const client = stage.client(proxy.port);
    const called = await call(client, 'x', { deadline: Date.now() + 100 });
    expect(called.code).toBe(status.DEADLINE_EXCEEDED);
    await until(() => cancelled);
  });
});

describe('tries', () => {
  const retries = (on: string, attempts = 2): { rules: string } => ({
    rules: `[{route: [{destination: {host: back.test}}], retries: {attempts: ${attempts}, retryOn: '${on}', backoff: 1ms}}]`,
  });

  const once = (
    code: number,
    isHeadFirst: boolean,
  ): [UntypedServiceImplementation, () => number] => {
    let tries = 0;
    return [
      {
        ...echoing,
        unary(under: Unary, done: Done) {
          if (++tries > 1) {
            done(null, under.request);
            return;
          }
          if (isHeadFirst) under.sendMetadata(pairs({ 'x-head': 'first' }));
          done({ code, details: 'not yet' });
        },
      },
      () => tries,
    ];
  };

  it.each([
    ['unavailable', status.UNAVAILABLE],
    ['cancelled', status.CANCELLED],
    ['deadline-exceeded', status.DEADLINE_EXCEEDED],
    ['internal', status.INTERNAL],
    ['resource-exhausted', status.RESOURCE_EXHAUSTED],
  ])('%s is tried again, said in the head or behind it', async (on, code) => {
    for (const isHeadFirst of [false, true]) {
      const [handlers, tries] = once(code, isHeadFirst);
      const { proxy } = await stage.before(handlers, retries(on));
      const called = await call(stage.client(proxy.port), 'again');
      expect([called.code, called.answer, tries()]).toEqual([0, 'again', 2]);
      expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ grpc_status: 0, attempts: 2 });
    }
  });

  it('no other status is, and none behind a message', async () => {
    const { proxy } = await stage.before(failing(status.NOT_FOUND, 'no'), retries('unavailable'));
    expect((await call(stage.client(proxy.port), 'x')).code).toBe(status.NOT_FOUND);
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ attempts: 1 });
    const { proxy: other } = await stage.before(
      {
        ...echoing,
        list(stream: ServerWritableStream<Buffer, Buffer>) {
          stream.write(Buffer.from('1'));
          stream.emit('error', { code: status.UNAVAILABLE, details: 'later' });
        },
      },
      retries('unavailable'),
    );
    const listed = await readAll(stage.client(other.port).list(Buffer.from(''), new Metadata()));
    expect(listed).toMatchObject({ code: status.UNAVAILABLE, answers: ['1'] });
    expect(JSON.parse(other.lines[0] ?? '{}')).toMatchObject({ attempts: 1, grpc_status: 14 });
  });

  it('the last status reaches the caller when no try is left', async () => {
    const { proxy } = await stage.before(failing(status.UNAVAILABLE, 'no'), retries('unavailable'));
    expect(await call(stage.client(proxy.port), 'x')).toMatchObject({
      code: status.UNAVAILABLE,
      details: 'no',
    });
    expect(JSON.parse(proxy.lines[0] ?? '{}')).toMatchObject({ attempts: 3, flags: 'URX' });
  });

  it('a head is kept back for a moment only, and not from who still sends', async () => {
    const { proxy } = await stage.before(
      {
        ...echoing,
        list: (stream: ServerWritableStream<Buffer, Buffer>) => {
          stream.sendMetadata(pairs({ 'x-head': 'first' }));
          setTimeout(() => stream.end(), 600);
        },
        chat(stream: ServerDuplexStream<Buffer, Buffer>) {
          stream.sendMetadata(pairs({ 'x-head': 'first' }));
          stream.on('end', () => stream.end());
          stream.resume();
        },
      },
      retries('unavailable'),
    );
    const client = stage.client(proxy.port);
    const listed = client.list(Buffer.from(''), new Metadata());
    const all = readAll(listed);
    const startMs = performance.now();
    await new Promise((resolve) => listed.once('metadata', resolve));
    expect(performance.now() - startMs).toBeLessThan(500);
    expect((await all).code).toBe(0);
    const chat = client.chat();
    const chatted = readAll(chat);
    await new Promise((resolve) => chat.once('metadata', resolve));
    chat.end();
    expect((await chatted).code).toBe(0);
  });
});
