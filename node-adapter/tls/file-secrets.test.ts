import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fileCredential, readFileCredential } from '../../src/lib/file-credential.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import type { Issued } from '../../test/fixtures/pki.ts';
import { GivenSecrets } from '../secrets.ts';
import { FileSecrets } from './file-secrets.ts';

const pki = new Pki();
const root = pki.authority('root');
const [first, second] = [root.issue(), root.issue()];
afterAll(() => pki.remove());

let folder = '';
let count = 0;
let log: string[] = [];
let told = 0;
let secrets: FileSecrets;
const others = new GivenSecrets();

beforeEach(() => {
  folder = join(pki.folder, `files-${++count}`);
  mkdirSync(folder);
  [log, told] = [[], 0];
  secrets = new FileSecrets({ log: (line) => log.push(line), others, debounceMs: 20 });
  secrets.onChange(() => told++);
});
afterEach(() => secrets.close());

const nameIn = (at: string, more: { authorities?: string } = {}): string =>
  fileCredential({ certificate: join(at, 'tls.crt'), key: join(at, 'tls.key'), ...more }) ?? '';

function write(at: string, { certificate, key }: Issued): void {
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'tls.crt'), certificate);
  writeFileSync(join(at, 'tls.key'), key);
}

/** As careful programs do: beside it, then in its place. */
function replace(name: string, text: string): void {
  writeFileSync(join(folder, `${name}.new`), text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

describe('names of files', () => {
  it('come back as they went', () => {
    const files = { certificate: '/a b/c&d=e%.crt', key: '/k%26', authorities: '/ä', revoked: '=' };
    expect(readFileCredential(fileCredential(files) ?? '')).toEqual(files);
    expect(fileCredential({ key: '' })).toBeUndefined();
    for (const name of ['a/b', 'file:', 'file:x=/a', 'file:certificate'])
      expect(readFileCredential(name)).toBeUndefined();
  });
});

describe('FileSecrets', () => {
  it('reads files, and takes what replaces them', async () => {
    write(folder, first);
    const name = nameIn(folder);
    expect(secrets.get(name)).toEqual(first);
    replace('tls.crt', second.certificate);
    replace('tls.key', second.key);
    await vi.waitFor(() => expect(secrets.get(name)).toEqual(second));
    expect(told).toBe(1);
  });

  it('follows a folder that is swapped by a link', async () => {
    const [old, fresh] = [join(folder, '..old'), join(folder, '..new')];
    write(old, first);
    write(fresh, second);
    symlinkSync('..old', join(folder, '..data'));
    for (const file of ['tls.crt', 'tls.key'])
      symlinkSync(join('..data', file), join(folder, file));
    const name = nameIn(folder);
    expect(secrets.get(name)).toEqual(first);
    symlinkSync('..new', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    rmSync(old, { recursive: true });
    await vi.waitFor(() => expect(secrets.get(name)).toEqual(second));
  });

  it('keeps the last good ones until certificate and key fit again', async () => {
    write(folder, first);
    const name = nameIn(folder);
    expect(secrets.get(name)).toEqual(first);
    replace('tls.crt', second.certificate);
    await vi.waitFor(() => expect(log).toHaveLength(1));
    expect(secrets.get(name)).toEqual(first);
    expect(log[0]).toContain('the last good ones stay');
    expect(log[0]).not.toContain('BEGIN');
    secrets.refresh();
    expect(log).toHaveLength(1);
    replace('tls.key', second.key);
    await vi.waitFor(() => expect(secrets.get(name)).toEqual(second));
    for (const broken of ['', 'text', first.certificate.slice(0, 200)]) {
      replace('tls.crt', broken);
      secrets.refresh();
      expect(secrets.get(name)).toEqual(second);
    }
    rmSync(join(folder, 'tls.crt'));
    secrets.refresh();
    expect(secrets.get(name)).toEqual(second);
  });

  it('finds what comes later', () => {
    const at = join(folder, 'later');
    const authorities = join(at, 'ca.crt');
    const name = nameIn(at, { authorities });
    expect(secrets.get(name)).toBeUndefined();
    expect(log).toHaveLength(1);
    write(at, first);
    writeFileSync(authorities, 'no certificate');
    secrets.refresh();
    expect(secrets.get(name)).toBeUndefined();
    writeFileSync(authorities, root.certificate);
    secrets.refresh();
    expect(secrets.get(name)).toEqual({ ...first, authorities: root.certificate });
    expect(told).toBe(1);
  });

  it('leaves all else to others', () => {
    others.replace({ 'a/b': first });
    expect(secrets.get('a/b')).toBe(first);
    expect(secrets.get('a/c')).toBeUndefined();
    expect(told).toBe(1);
  });
});
