/**
 * What carrying a connection costs: CPU time of the proxy's process, user and system, for an echoed message of 1 KiB
 * and for a GiB of bulk. nginx (stream) and HAProxy beside it, where they are installed. Linux only: it reads /proc.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { spread } from './measure.ts';

const CONNECTIONS = 32;
const MESSAGE = Buffer.alloc(1024, 'x');
const ROUND_MS = 1500;
const BULK_CONNECTIONS = 4;
const BULK_BYTES = 1024 ** 3;
const PIECE = Buffer.alloc(65_536, 'y');
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
/** Clock ticks of /proc a second. */
const TICKS = 100;

interface Peer {
  readonly name: string;
  readonly port: number;
  /** Of the process that does the work. */
  readonly pid: number;
  close(): void;
}

const child = fileURLToPath(new URL('tcp-child.ts', import.meta.url));

function portOf({ stdout }: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    if (stdout === null) return;
    createInterface({ input: stdout }).once('line', (line) => resolve(Number(line.slice(5))));
  });
}

async function startChild(...args: readonly string[]): Promise<Peer> {
  const started = spawn(process.execPath, [child, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await portOf(started);
  return { name: 'lateen', port, pid: started.pid ?? 0, close: () => started.stdin.end() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

interface Recipe {
  readonly name: string;
  readonly command: string;
  args(file: string): readonly string[];
  text(port: number, upstream: number, folder: string): string;
}

const peers: readonly Recipe[] = [
  {
    name: 'nginx',
    command: 'nginx',
    args: (file) => ['-c', file],
    text: (port, upstream, folder) =>
      `load_module /usr/lib/nginx/modules/ngx_stream_module.so; daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events { worker_connections 1024; }
stream { server { listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${upstream}; } }
`,
  },
  {
    name: 'haproxy',
    command: 'haproxy',
    args: (file) => ['-db', '-f', file],
    text: (port, upstream) =>
      `global\n nbthread 1\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\nlisten l\n bind 127.0.0.1:${port}\n server s 127.0.0.1:${upstream}\n`,
  },
];

async function startPeer(recipe: Recipe, upstream: number): Promise<Peer | undefined> {
  try {
    execFileSync(recipe.command, ['-v'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const port = await freePort();
  const folder = mkdtempSync(`${tmpdir()}/lateen-bench-`);
  writeFileSync(`${folder}/config`, recipe.text(port, upstream, folder));
  const started = spawn(recipe.command, recipe.args(`${folder}/config`), { stdio: 'ignore' });
  await new Promise((resolve) => {
    setTimeout(resolve, 500);
  });
  if (started.exitCode !== null) return undefined;
  return {
    name: recipe.name,
    port,
    pid: started.pid ?? 0,
    close() {
      started.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Seconds of CPU time so far. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Microseconds of CPU a message. */
async function messages({ port, pid }: Peer): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(port)));
  let count = 0;
  let isOver = false;
  for (const socket of sockets) {
    let left = MESSAGE.length;
    socket.on('data', (chunk) => {
      left -= chunk.length;
      if (left > 0) return;
      left = MESSAGE.length;
      count++;
      if (!isOver) socket.write(MESSAGE);
    });
    socket.write(MESSAGE);
  }
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  const before = count;
  const begun = cpuOf(pid);
  await new Promise((resolve) => {
    setTimeout(resolve, ROUND_MS);
  });
  const cost = ((cpuOf(pid) - begun) * 1e6) / (count - before);
  isOver = true;
  for (const socket of sockets) socket.destroy();
  return cost;
}

/** Seconds of CPU a GiB. */
async function bulk({ port, pid }: Peer): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: BULK_CONNECTIONS }, () => open(port)));
  const begun = cpuOf(pid);
  const share = BULK_BYTES / BULK_CONNECTIONS;
  await Promise.all(
    sockets.map(async (socket) => {
      for (let sent = 0; sent < share; sent += PIECE.length)
        if (!socket.write(PIECE))
          await new Promise((resolve) => {
            socket.once('drain', resolve);
          });
    }),
  );
  const cost = cpuOf(pid) - begun;
  for (const socket of sockets) socket.destroy();
  return cost;
}

async function compare(
  what: string,
  role: 'echo' | 'sink',
  measure: (peer: Peer) => Promise<number>,
): Promise<void> {
  const back = await startChild(role);
  const others = await Promise.all(peers.map((recipe) => startPeer(recipe, back.port)));
  const all = [
    await startChild('proxy', String(back.port)),
    ...others.filter((peer) => peer !== undefined),
  ];
  const costs = new Map<string, number[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++)
    for (const peer of all) {
      const cost = await measure(peer);
      // The first round compiles.
      if (round > 0) costs.get(peer.name)?.push(cost);
    }
  for (const { close } of [...all, back]) close();
  const base = spread(costs.get('nginx') ?? []).quartile;
  console.log(what);
  for (const [name, values] of costs) {
    const { quartile, median } = spread(values);
    const ratio = base === 0 ? '' : `  ${(quartile / base).toFixed(2)} x nginx`;
    console.log(`  ${name.padEnd(8)} ${quartile.toFixed(2)} / ${median.toFixed(2)}${ratio}`);
  }
}

export async function benchTcp(): Promise<void> {
  await compare('TCP, 1 KiB echoed, 32 connections: us of CPU a message', 'echo', messages);
  await compare('TCP, bulk, 4 connections: s of CPU a GiB', 'sink', bulk);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await benchTcp();
