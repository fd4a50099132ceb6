import { PassThrough } from 'node:stream';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { Outbox } from './outbox.ts';
import { enterTurn, leaveTurn } from './turn.ts';

it.each([3, 20_000])(
  'sends %i bytes that are no Buffer, from the midst of their memory',
  (size) => {
    const wire = new PassThrough();
    const outbox = new Outbox(wire as unknown as Socket);
    const bytes = new Uint8Array(new ArrayBuffer(size + 8), 4, size).fill(0xe4);
    enterTurn();
    outbox.text('>');
    outbox.bytes(bytes, 1, size);
    leaveTurn();
    expect(wire.read()).toEqual(Buffer.from(`>${'ä'.repeat(size - 1)}`, 'latin1'));
  },
);
