import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFolderSource } from '../../node-adapter/config/folder-source.ts';
import { applyWith } from '../../node-adapter/config/source.ts';
import { createNodeHost } from '../../node-adapter/host.ts';
import { Plane } from '../../node-adapter/plane.ts';
import type { Configuration } from '../../node-adapter/plane.ts';
import { GivenSecrets } from '../../node-adapter/secrets.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';
import { serviceEntry } from '../../test/fixtures/control.ts';
import type { CompiledFiles, Compiling } from './compiling.ts';
import { FileCompiler } from './file-compiler.ts';
import type { FolderWatch } from './folder.ts';
import { watchFolder } from './folder.ts';
import { answerKeys } from '../../test/fixtures/keys.ts';

const scope: ProxyScope = { type: 'sidecar-outbound', namespace: 'default', name: 'a', labels: {} };
const gateway: ProxyScope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
};

interface Given {
  readonly scope: ProxyScope;
  readonly configuration: Configuration;
  readonly secrets: Readonly<Record<string, SecretMaterial>>;
}

let folder: string;
let given: Given[] = [];
let said: Diagnostic[] = [];
let refusal: Diagnostic[] = [];
let mended = 0;
let watch: FolderWatch | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lateen-folder-'));
  given = [];
  said = [];
  refusal = [];
  mended = 0;
});
afterEach(() => {
  watch?.stop();
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

async function start(...scopes: readonly ProxyScope[]): Promise<void> {
  await startWith(new FileCompiler(), ...scopes);
}

async function startWith(compiling: Compiling, ...scopes: readonly ProxyScope[]): Promise<void> {
  watch = await watchFolder({
    paths: [folder],
    scopes,
    compiling,
    sinks: {
      onConfiguration: async (own, configuration, secrets) => {
        given.push({ scope: own, configuration, secrets });
        return refusal;
      },
      onDiagnostics: (diagnostics) => void said.push(...diagnostics),
      onMended: () => mended++,
    },
  });
}

const hosts = (one: Given | undefined): readonly string[] =>
  (one?.configuration.named.snapshot.clusters ?? []).map(({ service }) => service);

describe('a folder as configuration', () => {
  it('is given once for each scope, and again when a file changes', async () => {
    write('one.yaml', serviceEntry('one'));
    await start(scope, gateway);
    expect(given.map((one) => one.scope)).toEqual([scope, gateway]);
    expect(hosts(given[0])).toEqual(['one.example.com']);
    write('two.yaml', serviceEntry('two'));
    await expect.poll(() => hosts(given.at(-1))).toContain('two.example.com');
    // The gateway's doesn't change with it.
    expect(given.filter((one) => one.scope === gateway)).toHaveLength(1);
  });

  it('keeps what is in force over a faulty edit, and says where the fault is', async () => {
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    write('one.yaml', serviceEntry('one').replace('number: 80', 'number: 99999'));
    await expect.poll(() => said).toHaveLength(1);
    expect(said[0]).toMatchObject({
      level: 'error',
      place: { file: join(folder, 'one.yaml'), line: 4 },
    });
    write('one.yaml', 'spec: [\n');
    await expect.poll(() => said.at(-1)?.code).toBe('LAT0001');
    expect(given).toHaveLength(1);
    write('one.yaml', serviceEntry('mended'));
    await expect.poll(() => hosts(given.at(-1))).toEqual(['mended.example.com']);
  });

  it('takes a burst as one change, and a comment as none', async () => {
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    for (let count = 0; count < 20; count++) write(`${count}.yaml`, serviceEntry(`n${count}`));
    await expect.poll(() => hosts(given.at(-1)).length).toBe(21);
    expect(given).toHaveLength(2);
    write('draft', `# a comment\n${serviceEntry('one')}`);
    renameSync(join(folder, 'draft'), join(folder, 'one.yaml'));
    await new Promise((wake) => {
      setTimeout(wake, 400);
    });
    expect(given).toHaveLength(2);
  });

  it('stays when its files go away, and says so', async () => {
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    renameSync(join(folder, 'one.yaml'), join(folder, 'one.txt'));
    await expect.poll(() => said.at(-1)?.message).toContain('no .yaml');
    expect(given).toHaveLength(1);
  });

  it('gives nothing and compiles nothing behind its end', async () => {
    let compiled = 0;
    let open = (): void => undefined;
    class Gated extends FileCompiler {
      override async compile(...asked: Parameters<Compiling['compile']>): Promise<CompiledFiles> {
        if (++compiled === 2)
          await new Promise<void>((resolve) => {
            open = resolve;
          });
        return super.compile(...asked);
      }
    }
    write('one.yaml', serviceEntry('one'));
    await startWith(new Gated(), scope);
    write('two.yaml', serviceEntry('two'));
    await expect.poll(() => compiled).toBe(2);
    write('three.yaml', 'spec: [\n');
    // It waits for its turn.
    await new Promise((wake) => {
      setTimeout(wake, 400);
    });
    watch?.stop();
    open();
    await new Promise((wake) => {
      setTimeout(wake, 200);
    });
    expect([compiled, given.length, said]).toEqual([2, 1, []]);
  });

  it('says why a proxy refuses', async () => {
    refusal = [{ code: 'LAT0201', level: 'error', message: 'no such filter' }];
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    expect(said).toEqual(refusal);
  });

  it('says once that faults are mended, be it by what is in force already', async () => {
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    write('one.yaml', 'spec: [\n');
    await expect.poll(() => said).toHaveLength(1);
    write('one.yaml', serviceEntry('one').replace('number: 80', 'number: 99999'));
    await expect.poll(() => said).toHaveLength(2);
    expect(mended).toBe(0);
    write('one.yaml', serviceEntry('one'));
    await expect.poll(() => mended).toBe(1);
    expect(given).toHaveLength(1);
    write('two.yaml', serviceEntry('two'));
    await expect.poll(() => given).toHaveLength(2);
    expect(mended).toBe(1);
  });

  it('gives what was refused again, and says that it is in force when it is', async () => {
    refusal = [{ code: 'LAT0201', level: 'error', message: 'no such filter' }];
    write('one.yaml', serviceEntry('one'));
    await start(scope);
    write('one.yaml', `# again\n${serviceEntry('one')}`);
    await expect.poll(() => given).toHaveLength(2);
    expect([said, mended]).toEqual([refusal, 0]);
    refusal = [];
    write('one.yaml', `# and again\n${serviceEntry('one')}`);
    await expect.poll(() => mended).toBe(1);
  });

  it('brings the secrets that are named, and fetches key sets', async () => {
    const issuer = createServer((_request, response) => {
      answerKeys(response, 'one');
    });
    await new Promise<void>((resolve) => {
      issuer.listen(0, '127.0.0.1', resolve);
    });
    const uri = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks.json`;
    const indented = (text: string): string => text.replaceAll(/^/gm, '    ');
    const secret = (name: string): string =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: edge}\nstringData:\n  tls.crt: |\n${indented(certificatePem)}\n  tls.key: |\n${indented(keyPem)}\n`;
    write('secrets.yaml', `${secret('cert')}---\n${secret('unused')}`);
    write(
      'gateway.yaml',
      `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: edge}\nspec: {selector: {app: front}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}]}\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: edge}\nspec: {jwtRules: [{issuer: "https://issuer.test", jwksUri: "${uri}"}]}\n`,
    );
    await start(gateway);
    expect(Object.keys(given.at(-1)?.secrets ?? {})).toEqual(['edge/cert']);
    expect(given.at(-1)?.configuration.keys.sets[uri]?.keys).toHaveLength(1);
    issuer.close();
  });

  it('says where a Secret is that is missing where it is looked for', async () => {
    write(
      'secret.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: cert}\nstringData: {a: b}\n',
    );
    write(
      'gateway.yaml',
      "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: edge}\nspec: {selector: {app: front}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}]}\n",
    );
    await start(gateway);
    expect(said.map(({ message }) => message)).toEqual([
      'there is no Secret edge/cert, but default/cert',
    ]);
  });

  it('begins with something, or not at all', async () => {
    await expect(start(scope)).rejects.toThrow('no .yaml');
    await expect(
      watchFolder({
        paths: ['-'],
        scopes: [scope],
        compiling: new FileCompiler(),
        sinks: {
          onConfiguration: () => Promise.resolve([]),
          onDiagnostics: () => undefined,
          onMended: () => undefined,
        },
      }),
    ).rejects.toThrow('standard');
  });
});

it('is a source of a proxy', async () => {
  write('one.yaml', serviceEntry('one'));
  const host = createNodeHost({
    log: () => undefined,
    dial: () => Promise.reject(new Error('nobody is called')),
  });
  const plane = new Plane({ host, scope });
  const source = createFolderSource({
    watch: (give) =>
      watchFolder({
        paths: [folder],
        scopes: [scope],
        compiling: new FileCompiler(),
        sinks: {
          onConfiguration: give,
          onDiagnostics: (found) => void said.push(...found),
          onMended: () => mended++,
        },
      }),
    apply: applyWith(
      (_scope, configuration) => plane.apply(configuration),
      (fault) => expect.unreachable(String(fault)),
    ),
    secrets: new GivenSecrets(),
  });
  await source.start();
  expect(plane.linked?.listeners).toBeDefined();
  write('two.yaml', serviceEntry('two'));
  await expect
    .poll(() => [...(plane.linked?.clusters.values() ?? [])].map(({ cluster }) => cluster.service))
    .toContain('two.example.com');
  await source.stop();
  expect(said).toEqual([]);
});

it('is stopped as a source before all was given', async () => {
  let began = (): void => undefined;
  let stopped = 0;
  const applied: unknown[] = [];
  const source = createFolderSource({
    watch: async (give) => {
      await new Promise<void>((resolve) => {
        began = resolve;
      });
      const named = { version: '', snapshot: { format: 1, listeners: [], clusters: [] } } as never;
      const keys = { version: '', sets: {} };
      await give(scope, { named, endpoints: { version: '', clusters: {} }, keys }, {});
      return { stop: () => stopped++, refreshKeys: () => Promise.resolve() };
    },
    apply: (...given) => {
      applied.push(given);
      return Promise.resolve([]);
    },
    secrets: new GivenSecrets(),
  });
  const started = source.start();
  await source.stop();
  began();
  await started;
  expect([applied.length, stopped]).toEqual([0, 1]);
});

it('keeps secrets as a source until what names them no more is in force', async () => {
  const secrets = new GivenSecrets();
  const names = (): unknown => ['old', 'new'].map((name) => secrets.get(name) !== undefined);
  const seen: unknown[] = [];
  const refusals = [[], [{ code: 'LAT0201', level: 'error', message: 'no such filter' }], []];
  const source = createFolderSource({
    watch: async (give) => {
      const named = { version: '', snapshot: { format: 1, listeners: [], clusters: [] } } as never;
      const keys = { version: '', sets: {} };
      for (const name of ['old', 'new', 'new']) {
        const configuration = { named, endpoints: { version: '', clusters: {} }, keys };
        await give(scope, configuration, { [name]: { certificate: name } });
        seen.push(names());
      }
      return { stop: () => undefined, refreshKeys: () => Promise.resolve() };
    },
    apply: () => {
      seen.push(names());
      return Promise.resolve((refusals.shift() ?? []) as readonly Diagnostic[]);
    },
    secrets,
  });
  await source.start();
  const [both, isOld, isNew] = [
    [true, true],
    [true, false],
    [false, true],
  ];
  expect(seen).toEqual([isOld, isOld, both, both, both, isNew]);
});
