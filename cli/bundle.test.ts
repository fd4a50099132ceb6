/** Bundles that processes run from: the current one is made, older ones go when nobody needs them. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const program = fileURLToPath(new URL('bundle.js', import.meta.url));

let bundles: string;
beforeEach(() => {
  bundles = mkdtempSync(join(tmpdir(), 'lateen-bundles-'));
});
afterEach(() => {
  rmSync(bundles, { recursive: true, force: true });
});

const bundle = (): string =>
  execFileSync(process.execPath, [program, bundles], { encoding: 'utf8' });

const DAY_MS = 86_400_000;

/** One of another version, touched last so long ago. */
function older(name: string, days: number, ...marks: readonly number[]): string {
  const folder = join(bundles, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'main.js'), '');
  for (const pid of marks) writeFileSync(join(folder, `${pid}.pid`), '');
  const then = new Date(Date.now() - days * DAY_MS);
  utimesSync(folder, then, then);
  return folder;
}

/** Of a process that has ended. */
const gonePid = (): number => spawnSync(process.execPath, ['--version']).pid;

it('one is made, marked as in use by who asked, and found again', () => {
  const main = bundle();
  expect(dirname(dirname(main))).toBe(bundles);
  expect(existsSync(main)).toBe(true);
  expect(existsSync(join(dirname(main), 'worker-main.js'))).toBe(true);
  expect(existsSync(join(dirname(main), `${process.pid}.pid`))).toBe(true);
  expect(bundle()).toBe(main);
});

it('those of other versions go when nobody runs from them', () => {
  const gone = gonePid();
  const unused = older('0000000000000001', 2, gone);
  const run = older('0000000000000002', 200, gone, process.pid);
  const fresh = older('0000000000000003', 0.5, gone);
  const unfinished = older(`0000000000000004.${gone}`, 2);
  const other = older('notes', 200);
  bundle();
  expect(
    [unused, unfinished].filter((folder) => existsSync(folder)).map((path) => basename(path)),
  ).toEqual([]);
  for (const folder of [run, fresh, other]) expect(existsSync(folder)).toBe(true);
  expect(existsSync(join(run, `${gone}.pid`))).toBe(false);
  expect(existsSync(join(run, `${process.pid}.pid`))).toBe(true);
});

it('a mark that is taken away makes none younger', () => {
  const folder = older('0000000000000001', 2, gonePid(), process.pid);
  bundle();
  expect(Date.now() - statSync(folder).mtimeMs).toBeGreaterThan(1.9 * DAY_MS);
});
