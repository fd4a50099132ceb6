/** Where a node of the command line gets its configuration: files that are watched, or a control plane. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  createControlSource,
  createFolderSource,
  createLastGood,
} from '../../node-adapter/process/index.ts';
import type { ConfigSource, SourceSink } from '../../node-adapter/process/index.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { call, resolveCredentials } from '../client.ts';
import type { Connection, Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';
import { diagnosticText, note } from '../output.ts';

export interface SourceOptions extends Connection {
  readonly config?: readonly string[];
  readonly dataDir: string;
  /** Whom a token that is made is to speak as, where mutual TLS isn't visible. */
  readonly serviceAccount?: string;
}

export interface ChosenSource {
  /** For people. */
  readonly text: string;
  create(sink: SourceSink): ConfigSource;
}

/** Which proxy a token is for stands in its name, so that two proxies don't share a file. */
function tokenFile(dataDir: string, [scope]: readonly ProxyScope[]): string {
  return join(dataDir, `${scope?.namespace}.${scope?.name}.token.json`);
}

/** undefined = nobody answers. */
async function statusOf(
  { server, token }: Credentials,
  scope: ProxyScope,
): Promise<number | undefined> {
  const path = [scope.type, scope.namespace, scope.name].map(encodeURIComponent).join('/');
  try {
    const response = await fetch(`${server}/v1/proxies/${path}/pointer`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(5000),
    });
    await response.body?.cancel();
    return response.status;
  } catch {
    return undefined;
  }
}

interface Wanted {
  readonly scopes: readonly ProxyScope[];
  readonly serviceAccount: string | undefined;
}

interface SavedToken extends Credentials {
  readonly serviceAccount?: string;
}

/** A token of the proxy's own, made with an administrator's. */
async function makeToken(
  credentials: Credentials,
  { scopes, serviceAccount }: Wanted,
  file: string,
): Promise<string> {
  const { body } = await call<{ readonly token: string }>(credentials, '/v1/tokens', {
    method: 'POST',
    body: JSON.stringify({ name: scopes[0]?.name, role: 'proxy', scopes, serviceAccount }),
  });
  mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 });
  const saved: SavedToken = {
    server: credentials.server,
    token: body.token,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
  writeFileSync(file, JSON.stringify(saved), { mode: 0o600 });
  return body.token;
}

/** The token that is given, or one that it may make; an administrator's never stays in a proxy. */
async function proxyToken(
  credentials: Credentials,
  wanted: Wanted,
  dataDir: string,
): Promise<string> {
  const { scopes, serviceAccount } = wanted;
  const [scope] = scopes;
  if (scope === undefined) return credentials.token;
  const file = tokenFile(dataDir, scopes);
  if (existsSync(file)) {
    const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedToken;
    const status = await statusOf(saved, scope);
    const isKnown = status === undefined || status < 400;
    const isSame = serviceAccount === undefined || saved.serviceAccount === serviceAccount;
    if (saved.server === credentials.server && isKnown && isSame) return saved.token;
  }
  const FORBIDDEN = 403;
  return (await statusOf(credentials, scope)) === FORBIDDEN
    ? makeToken(credentials, wanted, file)
    : credentials.token;
}

async function folderSource(
  paths: readonly string[],
  scopes: readonly ProxyScope[],
): Promise<ChosenSource> {
  // A proxy that is configured by a control plane needs none of it.
  const { watchFolder } = await import('./folder.ts');
  const { CompilerProcess } = await import('./compiler-process.ts');
  const compiling = new CompilerProcess((message) => note(`warning: ${message}`));
  // It starts beside the proxy.
  compiling.prepare();
  return {
    text: `${paths.join(', ')}, watched`,
    create: ({ apply, secrets }) =>
      createFolderSource({
        watch: (give) =>
          watchFolder({
            paths,
            scopes,
            compiling,
            sinks: {
              onConfiguration: give,
              onDiagnostics: (diagnostics) => {
                for (const one of diagnostics) note(diagnosticText(one));
              },
              onMended: () => note(`${paths.join(', ')}: the configuration is in force again`),
            },
          }),
        apply,
        secrets,
      }),
  };
}

function credentialsOf(options: SourceOptions): Credentials {
  try {
    return resolveCredentials(options);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(
      'no configuration: give --config <file or folder>, or --server <url> and --token <token> of a control plane',
      2,
    );
  }
}

/** @throws CommandError when there is nothing to be configured by */
export async function chooseSource(
  options: SourceOptions,
  scopes: readonly ProxyScope[],
  log: (line: string) => void,
): Promise<ChosenSource> {
  const { config, dataDir } = options;
  if (config !== undefined) {
    if (options.server !== undefined)
      throw new CommandError('--config and --server: one of them configures a proxy', 2);
    return folderSource(config, scopes);
  }
  const credentials = credentialsOf(options);
  const { serviceAccount } = options;
  const token = await proxyToken(credentials, { scopes, serviceAccount }, dataDir);
  return {
    text: credentials.server,
    create: ({ apply, secrets }) =>
      createControlSource({
        url: credentials.server,
        token,
        scopes,
        instance: `${hostname()}-${process.pid}`,
        apply,
        secrets,
        lastGood: createLastGood({ directory: join(dataDir, 'last-good'), log }),
        clock: {
          nowMs: () => Date.now(),
          sleep: (ms) =>
            new Promise((resolve) => {
              setTimeout(resolve, ms);
            }),
        },
        log,
      }),
  };
}
