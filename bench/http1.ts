/**
 * The HTTP/1.1 path of the Node adapter without the kernel: a client's connection, the engine with its filters, an
 * upstream's connection and both heads, over sockets that are none. Time and heap of a request, repeatable within a
 * few per cent; bench/load says what it comes to on a machine.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Connection } from '../node-adapter/exchanges.ts';
import type { ConnectionServices } from '../node-adapter/exchanges.ts';
import { createNodeHost } from '../node-adapter/host.ts';
import { Http1Client } from '../node-adapter/http1/client.ts';
import { Http1Server } from '../node-adapter/http1/server.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../node-adapter/limits.ts';
import { Plane } from '../node-adapter/plane.ts';
import { Upstreams } from '../node-adapter/pool/upstreams.ts';
import { GivenSecrets } from '../node-adapter/secrets.ts';
import { Deadlines } from '../node-adapter/sockets/deadlines.ts';
import type { BytesReader } from '../node-adapter/sockets/reading.ts';
import { Termination } from '../node-adapter/tls/termination.ts';
import { MeshTrust } from '../node-adapter/tls/trust.ts';
import type { PolicyFilter } from '../src/model/policy.ts';
import { filters } from '../src/presets/node.ts';
import { limitFilter } from './limit.ts';
import { createCredentials } from './load/credentials.ts';
import { configurationOf, scope } from './load/mesh.ts';
import { requestOf } from './load/scenarios.ts';
import type { Entry } from './load/scenarios.ts';
import { allocatedSoFar, settle, spread } from './measure.ts';

const CONNECTIONS = 32;
const ROUNDS = 400;
const WARM_UP = 100;
/** Requests of each connection in a round. */
const PER_ROUND = 20;

const RESPONSE = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 09:00:00 GMT\r\nCache-Control: no-cache\r\nX-Internal: 1\r\n\r\n${'x'.repeat(1024)}`,
);

/** Says nothing to anybody; what is written to it is counted and answered when its turn comes. */
class NoSocket extends EventEmitter {
  readonly writable = true;
  readonly readable = true;
  readonly writableNeedDrain = false;
  readonly writableLength = 0;
  bytesWritten = 0;
  wasWritten = false;
  write(data: string | Buffer): boolean {
    this.bytesWritten += data.length;
    this.wasWritten = true;
    return true;
  }
  pause(): void {
    // Nothing comes but by the bench.
  }
  resume(): void {
    // As above.
  }
  destroy(): void {
    throw new Error('the proxy has given a connection up');
  }
  end(): void {
    this.destroy();
  }
}

interface Pair {
  readonly server: BytesReader;
  readonly downstream: NoSocket;
  readonly client: BytesReader;
  readonly upstream: NoSocket;
}

const asSocket = (socket: NoSocket): Socket => socket as unknown as Socket;

/** Connections that are always there; the look-up of their pool is the product's. */
class FixedUpstreams extends Upstreams {
  readonly idle: Http1Client[] = [];
  override acquire(): Http1Client | undefined {
    return this.idle.pop();
  }
}

interface Path {
  readonly pairs: readonly Pair[];
  readonly request: Buffer;
  readonly logged: { lines: number };
}

function createServices(upstreams: Upstreams, logged: { lines: number }): ConnectionServices {
  const log = Buffer.alloc(65_536);
  let used = 0;
  const fail = (error: unknown): never => {
    throw error;
  };
  const host = createNodeHost({
    log(line) {
      if (used + line.length > log.length) used = 0;
      used += log.utf8Write(line, used);
      logged.lines++;
    },
    dial: () => Promise.reject(new Error('nobody can be reached')),
  });
  const secrets = new GivenSecrets();
  return {
    upstreams,
    host,
    upgrades: new Set(['websocket']),
    onFault: fail,
    limits: DEFAULT_CONNECTION_LIMITS,
    deadlines: new Deadlines(),
    mode: 'onread',
    tlsFor: () => undefined,
    termination: new Termination({ secrets, trust: new MeshTrust(secrets), log: () => undefined }),
    isDraining: () => false,
  };
}

async function prepare(entry: Entry): Promise<Path> {
  const { credentials, pki } = await createCredentials();
  const place = { folder: '', port: 80, upstream: 8080, credentials };
  const upstreams = new FixedUpstreams({
    deadlines: new Deadlines(),
    mode: 'onread',
    tlsFor: () => undefined,
    onFault: () => undefined,
  });
  const logged = { lines: 0 };
  const services = createServices(upstreams, logged);
  if (!filters.includes(limitFilter)) (filters as PolicyFilter[]).push(limitFilter);
  const host =
    entry.scene.work === 'filters'
      ? services.host
      : { ...services.host, accessLog: { isOn: false } };
  const plane = new Plane({ host, scope });
  await plane.apply(configurationOf(entry.scene, place));
  pki.remove();
  const pairs = Array.from({ length: CONNECTIONS }, (_, index): Pair => {
    const downstream = new NoSocket();
    const upstream = new NoSocket();
    const facts = {
      plane,
      peer: { ip: '192.0.2.7', port: 40_000 + index },
      scheme: 'http',
      portOf: () => 80,
      onClosed: () => undefined,
    } as const;
    const server = new Http1Server(new Connection(services, facts));
    server.attach(asSocket(downstream));
    const owner = {
      hasAnswered: true,
      onIdle: (free: Http1Client) => void upstreams.idle.push(free),
      onClosed: () => undefined,
      onFault: services.onFault,
    };
    const client = new Http1Client(owner, DEFAULT_CONNECTION_LIMITS.head);
    client.attach(asSocket(upstream));
    upstreams.idle.push(client);
    return { server, downstream, client, upstream };
  });
  const request = Buffer.from(requestOf(entry, credentials));
  return { pairs, request, logged };
}

/** Requests of all connections, then what upstreams say to them: as a busy loop finds its sockets. */
function pass({ pairs, request }: Path): number {
  let answered = 0;
  for (const { server } of pairs) server.onBytes(request, request.length);
  for (const { client, upstream } of pairs) {
    if (!upstream.wasWritten) continue;
    upstream.wasWritten = false;
    client.onBytes(RESPONSE, RESPONSE.length);
  }
  for (const { downstream } of pairs) {
    if (downstream.wasWritten) answered++;
    downstream.wasWritten = false;
  }
  return answered;
}

async function measureOne(entry: Entry): Promise<void> {
  const path = await prepare(entry);
  // The first token of a kind is checked by and by.
  for (let i = 0; i < 20; i++) {
    pass(path);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  settle();
  const us: number[] = [];
  const bytes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const allocated = allocatedSoFar();
    const begun = performance.now();
    let answered = 0;
    for (let i = 0; i < PER_ROUND; i++) answered += pass(path);
    const ms = performance.now() - begun;
    if (answered !== PER_ROUND * CONNECTIONS) throw new Error(`${answered} were answered`);
    if (round < WARM_UP) continue;
    us.push((ms * 1000) / answered);
    bytes.push((allocatedSoFar() - allocated) / answered);
  }
  const time = spread(us);
  console.log(
    `  ${entry.name}: ${time.quartile.toFixed(2)} / ${time.median.toFixed(2)} us, ${(spread(bytes).median / 1024).toFixed(1)} KiB`,
  );
}

export async function benchHttp1(): Promise<void> {
  console.log('HTTP/1.1 path without the kernel, a request (lower quartile / median):');
  const entry = (name: string, work: 'bare' | 'filters', routes: number): Entry => ({
    name,
    peer: 'lateen',
    scene: { work, routes },
  });
  await measureOne(entry('one route, no log', 'bare', 0));
  await measureOne(entry('eight filters, 1,000 routes, JSON log', 'filters', 1000));
}

if (import.meta.main) await benchHttp1();
