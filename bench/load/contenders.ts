/** Who runs in a scenario, and how each is started there. */
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { Place, Recipe, Scene } from './contract.ts';
import { envoyRecipe } from './envoy.ts';
import { haproxyRecipe } from './haproxy.ts';
import { configurationOf, scope } from './mesh.ts';
import { nginxRecipe } from './nginx.ts';
import { packageRecipe } from './packages.ts';
import type { PackageName } from './packages.ts';
import type { Tools } from './tools.ts';

export type Peer = 'lateen' | 'nginx' | 'haproxy' | 'envoy' | PackageName;

/** As BENCH_NODE_FLAGS='--cpu-prof --cpu-prof-dir=dist': to look into what is measured. */
const NODE_FLAGS = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');

/** Run from a bundle, as the commands are: it is what is measured, not the stripping of types. */
export function lateenRecipe(scene: Scene, place: Place): Recipe {
  const { folder, credentials } = place;
  const configuration = join(folder, 'configuration.json');
  const settings = {
    scope,
    configuration,
    ...(scene.work === 'filters' ? { log: join(folder, 'log') } : {}),
    ...(scene.work === 'tls'
      ? { identity: { ...credentials.server, authorities: credentials.authority } }
      : {}),
  };
  const program = join(folder, 'gateway.mjs');
  return {
    command: process.execPath,
    args: [...NODE_FLAGS, program, JSON.stringify(settings)],
    files: {
      'configuration.json': JSON.stringify(configurationOf(scene, place)),
      'gateway.mjs': gatewayBundle(),
    },
  };
}

let bundled: string | undefined;

function gatewayBundle(): string {
  bundled ??= buildSync({
    entryPoints: [join(import.meta.dirname, 'gateway.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'silent',
  }).outputFiles[0]?.text;
  return bundled ?? '';
}

/** Undefined: it isn't here, or can't do the work. */
export function recipeOf(peer: Peer, tools: Tools, scene: Scene, place: Place): Recipe | undefined {
  switch (peer) {
    case 'lateen':
      return lateenRecipe(scene, place);
    case 'nginx':
      return tools.nginx === undefined ? undefined : nginxRecipe(tools.nginx, scene, place);
    case 'haproxy':
      return tools.haproxy === undefined ? undefined : haproxyRecipe(tools.haproxy, scene, place);
    case 'envoy':
      return tools.envoy === undefined ? undefined : envoyRecipe(tools.envoy, scene, place);
    case 'fast-proxy':
    case 'http-proxy-3':
    case '@fastify/http-proxy':
      return tools.packages === undefined
        ? undefined
        : packageRecipe(tools.packages, peer, scene, place);
    default:
      return peer satisfies never;
  }
}
