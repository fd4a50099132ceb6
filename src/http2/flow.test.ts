/** Flow control both ways: nothing is lost, no window is exceeded, a paused reader is left alone. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as h2 from '../../test/fixtures/http2-frames.ts';
import type { Frame, RecordedStream } from '../../test/fixtures/http2-frames.ts';

const { DATA, SETTINGS, WINDOW_UPDATE, END_STREAM, END_HEADERS } = h2;
const { frame, headers, setting, uint32, POST } = h2;

const dataOf = (frames: readonly Frame[], id: number): Frame[] =>
  frames.filter((one) => one.type === DATA && one.id === id);
const wordOf = ({ payload }: Frame): number => new DataView(payload.buffer).getUint32(0);

function respond(server: h2.RecordedServer, stream: RecordedStream): void {
  const { sender } = server.connection;
  sender.beginBlock();
  sender.text(':status', '200');
  sender.endBlock(stream, false);
}

type Step =
  | { readonly do: 'write'; readonly stream: number; readonly length: number }
  | { readonly do: 'stream-window'; readonly stream: number; readonly more: number }
  | { readonly do: 'window'; readonly more: number }
  | { readonly do: 'initial'; readonly size: number };

const streams = [1, 3, 5];
const stream = fc.constantFrom(...streams);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('write' as const),
    stream,
    length: fc.integer({ min: 1, max: 40_000 }),
  }),
  fc.record({
    do: fc.constant('stream-window' as const),
    stream,
    more: fc.integer({ min: 1, max: 50_000 }),
  }),
  fc.record({ do: fc.constant('window' as const), more: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ do: fc.constant('initial' as const), size: fc.integer({ min: 0, max: 100_000 }) }),
);

/** What a receiver knows: how much it has let in. */
class Receiver {
  initial = 65_535;
  window = 65_535;
  readonly windows = new Map(streams.map((id) => [id, 65_535]));
  readonly received = new Map(streams.map((id) => [id, [] as number[]]));

  take(frames: readonly Frame[]): void {
    for (const { type, id, payload } of frames) {
      if (type !== DATA) continue;
      this.window -= payload.length;
      this.windows.set(id, (this.windows.get(id) ?? 0) - payload.length);
      expect(payload.length).toBeLessThanOrEqual(16_384);
      if (payload.length > 0) {
        expect(this.window).toBeGreaterThanOrEqual(0);
        expect(this.windows.get(id)).toBeGreaterThanOrEqual(0);
      }
      this.received.get(id)?.push(...payload);
    }
  }

  give(server: h2.RecordedServer, one: Exclude<Step, { do: 'write' }>): void {
    if (one.do === 'window') {
      this.window += one.more;
      server.give(frame(WINDOW_UPDATE, 0, 0, uint32(one.more)));
    } else if (one.do === 'stream-window') {
      this.windows.set(one.stream, (this.windows.get(one.stream) ?? 0) + one.more);
      server.give(frame(WINDOW_UPDATE, 0, one.stream, uint32(one.more)));
    } else {
      for (const [id, window] of this.windows)
        this.windows.set(id, window + one.size - this.initial);
      this.initial = one.size;
      server.give(frame(SETTINGS, 0, 0, setting(4, one.size)));
    }
  }
}

test('what is written arrives whole and in order, never beyond a window', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const server = new h2.RecordedServer({ settings: 1000 });
      server.onRequest = (opened) => respond(server, opened);
      server.give([...h2.HELLO, ...streams.flatMap((id) => headers(id))]);
      const receiver = new Receiver();
      const written = new Map(streams.map((id) => [id, 0]));
      const next = (id: number, length: number): Uint8Array => {
        const from = written.get(id) ?? 0;
        written.set(id, from + length);
        return Uint8Array.from({ length }, (_, i) => (from + i) * id);
      };
      const { sender } = server.connection;
      for (const one of steps) {
        if (one.do === 'write') {
          const opened = server.streams[streams.indexOf(one.stream)] as RecordedStream;
          const bytes = next(one.stream, one.length);
          sender.data(opened, bytes, 0, bytes.length);
          bytes.fill(0);
        } else receiver.give(server, one);
        receiver.take(server.taken());
      }
      for (const opened of server.streams) sender.end(opened, []);
      receiver.give(server, { do: 'initial', size: 100_000 });
      receiver.give(server, { do: 'window', more: 10_000_000 });
      for (const id of streams)
        receiver.give(server, { do: 'stream-window', stream: id, more: 10_000_000 });
      const last = server.taken();
      receiver.take(last);
      for (const id of streams) {
        const bytes = receiver.received.get(id) ?? [];
        expect(bytes.length).toBe(written.get(id));
        expect(bytes.every((byte, at) => byte === ((at * id) & 0xff))).toBe(true);
      }
      expect(server.connection.openStreams).toBe(0);
      expect(server.fault).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test('streams take turns where the connection is narrow', () => {
  const server = new h2.RecordedServer();
  server.onRequest = (opened) => respond(server, opened);
  server.give([
    ...h2.HELLO,
    ...frame(SETTINGS, 0, 0, setting(4, 1_000_000)),
    ...headers(1),
    ...headers(3),
  ]);
  const bytes = new Uint8Array(200_000);
  for (const opened of server.streams)
    server.connection.sender.data(opened, bytes, 0, bytes.length);
  server.taken();
  server.give(frame(WINDOW_UPDATE, 0, 0, uint32(16_384 * 4)));
  expect(server.taken().map(({ id }) => id)).toEqual([1, 3, 1, 3]);
});

test('END_STREAM is put on the last frame where that has not left', () => {
  const server = new h2.RecordedServer();
  server.onRequest = (opened) => respond(server, opened);
  server.give([...h2.HELLO, ...headers(1), ...headers(3)]);
  const [first, second] = server.streams as [RecordedStream, RecordedStream];
  const { sender } = server.connection;
  sender.end(second, []);
  sender.data(first, h2.bytesOf('ab'), 0, 2);
  sender.end(first, []);
  const frames = server.taken().filter(({ id }) => id > 0);
  expect(frames.map(({ type, flags, id }) => [id, type, flags])).toEqual([
    [1, 1, END_HEADERS],
    [3, 1, END_HEADERS | END_STREAM],
    [1, DATA, END_STREAM],
  ]);
});

test('a stream that is reset leaves nothing behind', () => {
  const server = new h2.RecordedServer();
  server.onRequest = (opened) => respond(server, opened);
  server.give([...h2.HELLO, ...headers(1), ...headers(3)]);
  const [first] = server.streams as [RecordedStream, RecordedStream];
  server.connection.sender.data(first, new Uint8Array(100_000), 0, 100_000);
  server.taken();
  server.give(frame(h2.RST_STREAM, 0, 1, uint32(8)));
  expect([first.heard, first.queue.length]).toEqual([['peer'], 0]);
  server.give(frame(WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
  expect(dataOf(server.taken(), 1)).toEqual([]);
});

const kilobytes = (id: number, count: number, flags = 0): number[] =>
  Array.from({ length: count }, (_, i) =>
    frame(DATA, i === count - 1 ? flags : 0, id, new Uint8Array(1024)),
  ).flat();

test('windows are filled up while a stream is read, and grow once', () => {
  const server = new h2.RecordedServer();
  server.give([...h2.HELLO, ...headers(1, POST, END_HEADERS)]);
  server.taken();
  let window = 65_535;
  let sent = 0;
  for (let round = 0; round < 40; round++) {
    const count = Math.floor(Math.min(window, 65_536) / 1024);
    server.give(kilobytes(1, count));
    sent += count * 1024;
    window -= count * 1024;
    for (const update of server.taken()) if (update.id === 1) window += wordOf(update);
    expect(window).toBeLessThanOrEqual(262_144);
  }
  expect(sent).toBeGreaterThan(2_000_000);
  expect(server.fault).toBeUndefined();
});

test('a paused stream gets no window, and holds the connection back by what it keeps', () => {
  const server = new h2.RecordedServer({ connectionWindow: 100_000 });
  server.onRequest = (opened) => server.connection.pause(opened);
  server.give([...h2.HELLO, ...headers(1, POST, END_HEADERS), ...headers(3, POST, END_HEADERS)]);
  server.taken();
  server.give(kilobytes(1, 60));
  expect(server.taken()).toEqual([]);
  const [first, second] = server.streams as [RecordedStream, RecordedStream];
  server.connection.resume(first);
  expect(server.taken().map(({ type, id }) => [type, id])).toEqual([
    [WINDOW_UPDATE, 0],
    [WINDOW_UPDATE, 1],
  ]);
  server.give(kilobytes(3, 60));
  server.connection.reset(second, 8);
  expect(server.taken().map(({ type, id }) => [type, id])).toEqual([
    [h2.RST_STREAM, 3],
    [WINDOW_UPDATE, 0],
  ]);
});

test('what paused streams keep does not stop the others', () => {
  const server = new h2.RecordedServer({ connectionWindow: 200 * 1024 });
  server.onRequest = (opened) => {
    if (opened.id < 5) server.connection.pause(opened);
  };
  server.give([...h2.HELLO, ...[1, 3, 5].flatMap((id) => headers(id, POST, END_HEADERS))]);
  server.give([...kilobytes(1, 60), ...kilobytes(3, 60)]);
  server.taken();
  let window = 80 * 1024;
  let own = 65_535;
  let sent = 0;
  while (sent < 1_000_000) {
    const count = Math.floor(Math.min(window, own) / 1024);
    expect(count).toBeGreaterThan(0);
    server.give(kilobytes(5, count));
    sent += count * 1024;
    window -= count * 1024;
    own -= count * 1024;
    for (const update of server.taken())
      if (update.id === 0) window += wordOf(update);
      else own += wordOf(update);
  }
  expect(server.fault).toBeUndefined();
});

test('what comes behind the end within one read is not looked at', () => {
  const server = new h2.RecordedServer();
  server.onRequest = () => {
    server.connection.isFailed = true;
  };
  server.give([...h2.HELLO, ...headers(1), ...headers(3), ...frame(DATA, 0, 1, 'x')]);
  expect(server.streams).toHaveLength(1);
});

test.each([
  ['its stream', 65, 'RST 1 FLOW_CONTROL_ERROR'],
  ['the connection', 101, 'GOAWAY FLOW_CONTROL_ERROR'],
])('more than the window of %s is refused', (_name, count, verdict) => {
  const server = new h2.RecordedServer({
    connectionWindow: 100 * 1024,
    streamWindow: count > 100 ? 200_000 : 65_535,
  });
  server.onRequest = (opened) => server.connection.pause(opened);
  server.give([...h2.HELLO, ...headers(1, POST, END_HEADERS)]);
  server.taken();
  server.give(kilobytes(1, count));
  expect(h2.verdicts(server.taken())).toEqual([verdict]);
});

test('padding counts, and what nobody reads is given back', () => {
  const server = new h2.RecordedServer();
  server.give([...h2.HELLO, ...headers(1, POST, END_HEADERS)]);
  server.connection.reset(server.streams[0] as RecordedStream, 8);
  server.taken();
  const padded = frame(DATA, h2.PADDED, 1, [255, ...new Uint8Array(255 + 100)]);
  for (let i = 0; i < 4000; i++) server.give(padded);
  expect(server.fault).toBeUndefined();
  const given = server.taken().reduce((sum, update) => sum + wordOf(update), 0);
  expect(given).toBeGreaterThan(4000 * 356 - 1_048_576);
});

test('a header block longer than a frame is continued', () => {
  const server = new h2.RecordedServer();
  server.onRequest = (opened) => {
    const { sender } = server.connection;
    sender.beginBlock();
    sender.text(':status', '200');
    for (let i = 0; i < 5; i++) sender.text(`x-${i}`, String(i).repeat(9000));
    sender.endBlock(opened, true);
  };
  server.give([...h2.HELLO, ...headers(1)]);
  const frames = server.taken().filter(({ id }) => id === 1);
  expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length])).toEqual([
    [h2.HEADERS, END_STREAM, 16_384],
    [h2.CONTINUATION, 0, 16_384],
    [h2.CONTINUATION, END_HEADERS, expect.any(Number)],
  ]);
  const whole = frames.flatMap(({ payload }) => [...payload]);
  expect(String.fromCharCode(...whole).match(/4{9000}$/)).not.toBeNull();
});
