/** nginx as a contender: one process, kept upstream connections. */
import { HOSTS, ORIGIN } from './contract.ts';
import type { Place, Recipe, Scene } from './contract.ts';

const MAIN = (
  folder: string,
) => `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 16384; }
`;

const PASS = `proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";`;

/** What the filters of the others do, as far as it has it: it can't check a token. */
const FILTERED = `limit_req zone=all burst=1000000 nodelay; limit_except GET HEAD { deny all; } ${PASS}
proxy_set_header X-Route gold; proxy_set_header X-Client $remote_addr; proxy_set_header X-Via nginx; proxy_set_header X-Debug "";
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id; proxy_set_header Host $host;
proxy_hide_header X-Internal; add_header X-Served-By nginx; add_header X-Kind item; add_header Access-Control-Allow-Origin $allowed; add_header Access-Control-Allow-Credentials true;`;

const FIELDS = `{"time":$msec,"method":"$request_method","authority":"$host","path":"$request_uri","status":$status,"upstream":"$upstream_addr","upstream_s":"$upstream_response_time","duration_s":$request_time,"bytes_sent":$body_bytes_sent,"bytes_received":$request_length,"client":"$remote_addr","origin":"$http_origin","request_id":"$request_id","agent":"$http_user_agent"}`;

function routed(scene: Scene, port: number, each: string): string {
  return Array.from({ length: HOSTS }, (_, host) => {
    const locations = Array.from(
      { length: scene.routes / HOSTS },
      (_unused, index) => `location /v1/item${index}/ { ${each} }`,
    );
    return `server { listen 127.0.0.1:${port}; server_name h${host}.example.com; ${locations.join('\n')} }`;
  }).join('\n');
}

function servers(scene: Scene, { port, folder, credentials }: Place): string {
  const { server, authority } = credentials;
  switch (scene.work) {
    case 'filters':
      return `limit_req_zone $server_name zone=all:1m rate=1000000r/s; map $http_origin $allowed { default ""; "${ORIGIN}" $http_origin; }
log_format json escape=json '${FIELDS}'; access_log ${folder}/log json buffer=64k flush=1s;
${routed(scene, port, FILTERED)}`;
    case 'routes':
      return routed(scene, port, PASS);
    case 'tls':
      return `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${server.certificate}; ssl_certificate_key ${server.key}; ssl_client_certificate ${authority}; ssl_verify_client on; ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off; location / { ${PASS} } }`;
    case 'websocket':
      return `server { listen 127.0.0.1:${port}; location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }`;
    case 'bare':
    case 'tcp':
      return `server { listen 127.0.0.1:${port}; location / { ${PASS} } }`;
    default:
      return scene.work satisfies never;
  }
}

function configuration(scene: Scene, place: Place): string {
  const { port, upstream, folder } = place;
  if (scene.work === 'tcp')
    return `load_module /usr/lib/nginx/modules/ngx_stream_module.so; ${MAIN(folder)}
stream { server { listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${upstream}; tcp_nodelay on; } }`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder};`)
    .join(' ');
  return `${MAIN(folder)}
http { ${temporary} access_log off; keepalive_requests 100000000; keepalive_timeout 3600s; server_names_hash_bucket_size 128;
upstream back { server 127.0.0.1:${upstream}; keepalive 256; keepalive_requests 100000000; }
${servers(scene, place)} }`;
}

export function nginxRecipe(command: string, scene: Scene, place: Place): Recipe | undefined {
  // It speaks HTTP/2 to upstreams as gRPC alone.
  if (scene.isHttp2 === true) return undefined;
  return {
    command,
    args: ['-c', `${place.folder}/nginx.conf`],
    files: { 'nginx.conf': configuration(scene, place) },
  };
}

/** A server of HTTP/2 that answers 1 KiB, to be behind contenders. */
export function nginxBackend(command: string, port: number, folder: string): Recipe {
  const text = `${MAIN(folder)}
http { access_log off; keepalive_requests 100000000; http2_max_concurrent_streams 1024;
server { listen 127.0.0.1:${port} http2; location / { return 200 "${'x'.repeat(1024)}"; } } }`;
  return { command, args: ['-c', `${folder}/nginx.conf`], files: { 'nginx.conf': text } };
}
