import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { expect, it } from 'vitest';
import { nextLine } from './running.ts';

const printing = (code: string): { readonly child: ChildProcess } => ({
  child: spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }),
});

it('lines are had one by one, whoever came first, and without a listener for each', async () => {
  const program = printing(
    'process.stdout.write("0\\n1\\n2\\n"); process.stdin.on("data", () => { for (let i = 3; i < 20; i++) console.log(i); process.exit(); })',
  );
  const { child } = program;
  const first = [await nextLine(program), await nextLine(program)];
  const rest = Array.from({ length: 18 }, () => nextLine(program));
  const listeners = (): number =>
    child.listenerCount('exit') + (child.stdout?.listenerCount('data') ?? 0);
  expect(listeners()).toBeLessThan(5);
  child.stdin?.write('on\n');
  expect([...first, ...(await Promise.all(rest))]).toEqual(
    Array.from({ length: 20 }, (_, i) => `${i}`),
  );
  await expect(nextLine(program)).rejects.toThrow('prints no more');
});
