/** Proxies that npm has, as their documentation starts them; and what Node's own server costs. */
import { join } from 'node:path';
import type { Place, Recipe, Scene } from './contract.ts';

export type PackageName = 'fast-proxy' | 'http-proxy-3' | '@fastify/http-proxy';

const programs: Readonly<Record<PackageName, (port: number, upstream: string) => string>> = {
  'fast-proxy': (port, upstream) => `
const { createServer } = require('node:http');
const { proxy } = require('fast-proxy')({ base: '${upstream}' });
createServer((request, response) => proxy(request, response, request.url, {})).listen(${port}, '127.0.0.1');`,
  'http-proxy-3': (port, upstream) => `
const { Agent } = require('node:http');
const { createProxyServer } = require('http-proxy-3');
const proxy = createProxyServer({ target: '${upstream}', agent: new Agent({ keepAlive: true }), ws: true });
proxy.on('error', () => undefined);
proxy.listen(${port}, '127.0.0.1');`,
  '@fastify/http-proxy': (port, upstream) => `
const app = require('fastify')();
app.register(require('@fastify/http-proxy'), { upstream: '${upstream}' });
app.listen({ port: ${port}, host: '127.0.0.1' });`,
};

export function packageRecipe(
  packages: string,
  name: PackageName,
  scene: Scene,
  place: Place,
): Recipe | undefined {
  const canDo = scene.work === 'bare' || (scene.work === 'websocket' && name === 'http-proxy-3');
  if (!canDo) return undefined;
  // Run from where they are installed: that is where they find each other.
  const program = programs[name](place.port, `http://127.0.0.1:${place.upstream}`);
  const prelude = `const require = (await import('node:module')).createRequire(${JSON.stringify(join(packages, 'x.js'))});`;
  return {
    command: process.execPath,
    args: [join(place.folder, 'proxy.mjs')],
    files: { 'proxy.mjs': `${prelude}\n${program}\n` },
  };
}

/** Answers from memory: what Node takes by itself. */
export function nodeServerRecipe(place: Place): Recipe {
  const program = `import { createServer } from 'node:http';
const body = Buffer.alloc(1024, 'x');
createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1024 });
  response.end(body);
}).listen(${place.port}, '127.0.0.1');
`;
  return {
    command: process.execPath,
    args: [join(place.folder, 'server.mjs')],
    files: { 'server.mjs': program },
  };
}
