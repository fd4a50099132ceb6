/** Who compiles is a process that runs the sources. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isGone } from '../../node-adapter/process/channel.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { serviceEntry } from '../../test/fixtures/control.ts';
import { CompilerProcess } from './compiler-process.ts';

const OLDEST_THAT_RUNS_SOURCES = 24;
const runsSources = Number.parseInt(process.versions.node) >= OLDEST_THAT_RUNS_SOURCES;

const scope: ProxyScope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} };
const folder = mkdtempSync(join(tmpdir(), 'lateen-compiler-'));
const said: string[] = [];
const compiler = new CompilerProcess((message) => said.push(message), 300);
afterAll(() => {
  compiler.stop();
  rmSync(folder, { recursive: true });
});

/** Those that compile for this process. */
function running(): readonly number[] {
  return execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, parent, ...args]) =>
        parent === String(process.pid) && /compile-main/.test(args.join(' ')),
    )
    .map(([pid]) => Number(pid));
}

describe.skipIf(!runsSources)('a process that compiles', () => {
  it('takes the parts of what it compiled along, and no other is asked for them', async () => {
    writeFileSync(join(folder, 'one.yaml'), serviceEntry('one'));
    const { scopes } = await compiler.compile([folder], [scope]);
    const [name = ''] = scopes[0]?.manifest.clusters ?? [];
    expect(await compiler.part(name)).toHaveLength(1);
    for (const pid of running()) process.kill(pid, 'SIGKILL');
    await expect.poll(running).toEqual([]);
    // Its end is told here, too.
    await new Promise((wake) => {
      setTimeout(wake, 100);
    });
    const fault = await compiler.part(name).catch((error: unknown) => error);
    expect(isGone(fault)).toBe(true);
    expect(running()).toEqual([]);
  });

  it('is said to hang, and another one does what it owed when it is ended', async () => {
    await compiler.compile([folder], [scope]);
    const before = said.length;
    const [pid = 0] = running();
    process.kill(pid, 'SIGSTOP');
    const compiled = compiler.compile([folder], [scope]);
    await expect.poll(() => said.slice(before)).toEqual([expect.stringContaining(`pid ${pid}`)]);
    process.kill(pid, 'SIGKILL');
    expect((await compiled).scopes).toHaveLength(1);
    expect(running()).not.toContain(pid);
  });
});
