import { describe, expect, it } from 'vitest';
import { BodyBound, RequestBody } from './request-body.ts';

const encoder = new TextEncoder();

function source(parts: readonly string[]): ReadableStream<Uint8Array> {
  const left = [...parts];
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const part = left.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(encoder.encode(part));
    },
  });
}

const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text();

describe('RequestBody', () => {
  it('gives each attempt the whole body, also after one that broke off halfway', async () => {
    const body = new RequestBody(source(['one ', 'two ', 'three']), 100, () => undefined);
    const broken = body.open().getReader();
    await broken.read();
    await broken.cancel();
    expect(await textOf(body.open())).toBe('one two three');
    expect(await textOf(body.open())).toBe('one two three');
  });

  it('loses nothing to a read that a broken attempt had under way', async () => {
    let send = (_text: string): void => undefined;
    const body = new RequestBody(
      new ReadableStream<Uint8Array>({
        start(controller) {
          send = (text) => {
            if (text === '') controller.close();
            else controller.enqueue(encoder.encode(text));
          };
        },
      }),
      100,
      () => undefined,
    );
    const broken = body.open().getReader();
    const waiting = broken.read();
    const again = textOf(body.open());
    send('late ');
    send('text');
    send('');
    await waiting;
    expect(await again).toBe('late text');
  });

  it('passes a large body on, and says once that it cannot be sent again', async () => {
    let told = 0;
    const parts = Array.from({ length: 20 }, () => 'x'.repeat(10));
    const body = new RequestBody(source(parts), 50, () => told++);
    expect((await textOf(body.open())).length).toBe(200);
    expect(told).toBe(1);
  });
});

describe('a bounded body', () => {
  const chunk = (length: number): Uint8Array => new Uint8Array(length);
  const streamOf = (...chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (const one of chunks) controller.enqueue(one);
        controller.close();
      },
    });
  const sizeOf = async (body: ReadableStream<Uint8Array>): Promise<number> =>
    (await new Response(body).arrayBuffer()).byteLength;

  it('passes up to its bound, and counts anew for each attempt', async () => {
    const bound = new BodyBound(8);
    const body = new RequestBody(streamOf(chunk(4), chunk(4)), 100, () => undefined);
    expect((await body.peek(2)).bytes).toHaveLength(2);
    expect(await sizeOf(bound.over(body.open()))).toBe(8);
    expect(await sizeOf(bound.over(body.open()))).toBe(8);
    expect(bound.isTooLarge).toBe(false);
  });

  it('ends past it, lets nothing of that through and cuts the attempt', async () => {
    const bound = new BodyBound(7);
    const attempt = new AbortController();
    bound.guard(attempt);
    const reader = bound.over(streamOf(chunk(4), chunk(4))).getReader();
    expect((await reader.read()).value).toHaveLength(4);
    await expect(reader.read()).rejects.toThrow(RangeError);
    expect([bound.isTooLarge, attempt.signal.aborted]).toEqual([true, true]);
  });
});
