import { describe, expect, it } from 'vitest';
import { parseJoinToken } from '../../src/delivery/joining.ts';
import { createMemoryStore } from '../store/memory.ts';
import { JoinTokens } from './join-tokens.ts';

const DAY_MS = 24 * 3_600_000;
const root = 'ab'.repeat(32);
const wanted = { identity: 'mesh.test/ns/a/sa/b', ttlMs: 60_000, actor: 'test', root };

function tokensAt(clock: { nowMs: number }): JoinTokens {
  let made = 0;
  return new JoinTokens({
    store: createMemoryStore(),
    nowMs: () => clock.nowMs,
    randomHex: (length) => (++made).toString(16).padStart(length * 2, '0'),
  });
}

describe('join tokens', () => {
  it('say the root and the identity', async () => {
    const { token } = await tokensAt({ nowMs: 0 }).create(wanted);
    expect(parseJoinToken(token)).toMatchObject({ root, identity: wanted.identity });
  });

  it('are at most a thousand, of which those of yesterday go', async () => {
    const clock = { nowMs: 0 };
    const tokens = tokensAt(clock);
    for (let i = 0; i < 1000; i++) await tokens.create(wanted);
    await expect(tokens.create(wanted)).rejects.toThrow(/there are 1000/);
    clock.nowMs = DAY_MS + 60_001;
    await tokens.create(wanted);
    expect(await tokens.list()).toHaveLength(1);
  });

  it.each([
    '',
    'latjoin_',
    'latjoin_a_b_c_d',
    `latjoin_${'0'.repeat(16)}_${'0'.repeat(48)}_${root}_a`,
  ])('%j is none', (text) => {
    expect(parseJoinToken(text)).toBeUndefined();
  });
});
