/** What workers make of configurations; they are processes that run the sources. */
import { afterEach, describe, expect, it } from 'vitest';
import { listener, noKeys, overlay, snapshot } from '../../test/fixtures/snapshots.ts';
import { gatewayScope } from '../../test/fixtures/node-proxy.ts';
import { LinkError } from '../../src/proxy/index.ts';
import type { Configuration } from '../plane.ts';
import { Crew } from './crew.ts';

const OLDEST_THAT_RUNS_SOURCES = 24;
const runsSources = Number.parseInt(process.versions.node) >= OLDEST_THAT_RUNS_SOURCES;

function configuration(version: string, kinds: readonly string[] = []): Configuration {
  const filters = kinds.map((kind) => ({ kind, config: {} }));
  const named = snapshot({ type: 'gateway', listeners: [listener({ filters })] });
  return { named: { ...named, version }, endpoints: overlay({}), keys: noKeys };
}

let crew: Crew | undefined;
afterEach(async () => {
  await crew?.close();
});

function start(lines: string[], workerTimeoutMs = 10_000): Crew {
  crew = new Crew({
    count: 2,
    workerTimeoutMs,
    setup: { scopes: [gatewayScope], accessLog: false },
    owner: {
      handleFor: () => Promise.reject(new Error('no port is asked for')),
      refreshKeys: () => Promise.resolve(),
      issueToken: () => Promise.reject(new Error('nobody is asked')),
      log: (line) => lines.push(line),
    },
  });
  return crew;
}

describe.skipIf(!runsSources)('configurations of a crew', () => {
  it('are in force when one worker has linked them, and refused by all when it can not', async () => {
    const lines: string[] = [];
    const own = start(lines);
    await Promise.all([own.start(), own.configure('gateway', configuration('first'))]);
    expect(own.running('gateway')?.named.version).toBe('first');
    const wrong = own.configure('gateway', configuration('wrong', ['from-the-future']));
    await expect(wrong).rejects.toThrow(LinkError);
    await expect(wrong).rejects.toThrow(/from-the-future/);
    expect(own.running('gateway')?.named.version).toBe('first');
    expect(await own.configure('gateway', configuration('second'))).toBe('applied');
    expect(lines).toEqual([]);
  });

  it('find another worker when the one that had them ends', async () => {
    const own = start([]);
    await own.start();
    for (const { pid = 0 } of own.views()) process.kill(pid, 'SIGKILL');
    expect(await own.configure('gateway', configuration('first'))).toBe('applied');
    await expect.poll(() => own.lacks, { timeout: 20_000 }).toBeUndefined();
  });

  it('pass a worker by that hangs, where another answers', async () => {
    const own = start([], 0);
    await own.start();
    const [{ pid = 0 } = {}] = own.views();
    process.kill(pid, 'SIGSTOP');
    await expect.poll(() => own.lacks, { timeout: 20_000 }).toBe('a worker does not answer');
    expect(await own.configure('gateway', configuration('first'))).toBe('applied');
    process.kill(pid, 'SIGCONT');
    await expect.poll(() => own.lacks, { timeout: 20_000 }).toBeUndefined();
  });

  it('are superseded by the end', async () => {
    const own = start([]);
    await own.start();
    for (const { pid = 0 } of own.views()) process.kill(pid, 'SIGSTOP');
    const late = own.configure('gateway', configuration('late'));
    own.kill();
    expect(await late).toBe('superseded');
    expect(await own.configure('gateway', configuration('later'))).toBe('superseded');
  });
});
