/** HAProxy as a contender: one thread, kept upstream connections. */
import { readFileSync } from 'node:fs';
import { HOSTS } from './contract.ts';
import type { Place, Recipe, Scene } from './contract.ts';

const protocolOf = ({ isHttp2 }: Scene): string => (isHttp2 === true ? ' proto h2' : '');

function front(scene: Scene, { port, folder, credentials }: Place): string {
  const bind = ` bind 127.0.0.1:${port}${protocolOf(scene)}`;
  switch (scene.work) {
    case 'tls':
      return `${bind} ssl crt ${folder}/server.pem ca-file ${credentials.authority} verify required ssl-min-ver TLSv1.3`;
    case 'routes':
      return `${bind}\n use_backend %[base,lower,map_beg(${folder}/routes.map,none)]`;
    case 'bare':
    case 'filters':
    case 'tcp':
    case 'websocket':
      return bind;
    default:
      return scene.work satisfies never;
  }
}

function routes(scene: Scene): string {
  return Array.from({ length: scene.routes }, (_, index) => {
    const host = index % HOSTS;
    return `h${host}.example.com/v1/item${Math.floor(index / HOSTS)}/ back`;
  }).join('\n');
}

export function haproxyRecipe(command: string, scene: Scene, place: Place): Recipe | undefined {
  // It can check tokens, but not out of a cache: that would compare something else.
  if (scene.work === 'filters') return undefined;
  const { folder, upstream, credentials } = place;
  const mode = scene.work === 'tcp' ? 'tcp' : 'http';
  const protocol = protocolOf(scene);
  const text = `global
 nbthread 1
 maxconn 8000
 tune.h2.max-concurrent-streams 128
defaults
 mode ${mode}
 timeout connect 5s
 timeout client 600s
 timeout server 600s
 timeout tunnel 600s
${mode === 'http' ? ' http-reuse always' : ''}
frontend front
${front(scene, place)}
 default_backend back
backend back
 server s 127.0.0.1:${upstream}${protocol}
backend none
`;
  const pair = credentials.server;
  return {
    command,
    args: ['-db', '-q', '-f', `${folder}/haproxy.cfg`],
    files: {
      'haproxy.cfg': text,
      'server.pem': readFileSync(pair.certificate, 'utf8') + readFileSync(pair.key, 'utf8'),
      'routes.map': scene.work === 'routes' ? routes(scene) : '',
    },
  };
}
