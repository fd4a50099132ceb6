import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSources, walk } from './files.ts';
import { watchFiles } from './node/watch-files.ts';

let folder: string;
let unwatch: () => void = () => undefined;
beforeEach(() => {
  // The folder that is named may itself begin with a dot.
  folder = mkdtempSync(join(tmpdir(), '.lateen-files-'));
});
afterEach(() => {
  unwatch();
  rmSync(folder, { recursive: true });
});

const at = (...names: readonly string[]): string => join(folder, ...names);

function writeVersion(version: string, text: string): void {
  mkdirSync(at(version));
  writeFileSync(at(version, 'mesh.yaml'), text);
  symlinkSync(version, at('..data_tmp'));
  renameSync(at('..data_tmp'), at('..data'));
}

/** As the kubelet mounts a ConfigMap. */
function mount(): void {
  writeVersion('..2026_1', 'one');
  symlinkSync('..data/mesh.yaml', at('mesh.yaml'));
}

describe('files of a folder', () => {
  it('are each read once where Kubernetes mounts it', async () => {
    mount();
    expect(await readSources([folder])).toEqual([{ file: at('mesh.yaml'), text: 'one' }]);
  });

  it('are those in folders, too, but not behind links to them', () => {
    mkdirSync(at('b'));
    writeFileSync(at('b', 'one.yaml'), '');
    writeFileSync(at('a.yml'), '');
    writeFileSync(at('.draft.yaml'), '');
    writeFileSync(at('notes.txt'), '');
    symlinkSync('b', at('c'));
    symlinkSync('.', at('again.yaml'));
    expect(walk(folder)).toEqual([at('a.yml'), at('b', 'one.yaml')]);
  });

  it('are others when the mounted version is swapped', async () => {
    mount();
    let changes = 0;
    unwatch = watchFiles([folder], () => changes++);
    writeVersion('..2026_2', 'two');
    await expect.poll(() => changes).toBe(1);
    expect(await readSources([folder])).toEqual([{ file: at('mesh.yaml'), text: 'two' }]);
  });
});
