import { describe, expect, it } from 'vitest';
import { RequestBody } from './request-body.ts';

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
