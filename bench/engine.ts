/**
 * The engine with eight policies over received heads, both ways, without sockets: routing among 1,000 routes, JWT out
 * of its cache, RBAC (a DENY and an ALLOW policy), CORS, header work on request and response, a local rate limit,
 * counters, one JSON line a request. Everything is compiled from YAML as for any gateway; only the rate limit, which
 * no kind configures yet, is put into the snapshot by hand.
 */
import { randomFillSync } from 'node:crypto';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { Host } from '../src/host/host.ts';
import { parseRequest, parseResponse } from '../src/http1/index.ts';
import type { RawRequestHead, RawResponseHead } from '../src/http1/index.ts';
import type { Exchange } from '../src/model/exchange.ts';
import type { NamedSnapshot } from '../src/model/snapshot.ts';
import { filters } from '../src/presets/node.ts';
import { createEngine, link } from '../src/proxy/index.ts';
import type { Engine, LinkedSnapshot } from '../src/proxy/index.ts';
import { limitFilter } from './limit.ts';
import { allocatedSoFar, settle, spread } from './measure.ts';
import type { Spread } from './measure.ts';
import { HOSTS, compileGateway, resourcesOf, routesOf } from './mesh.ts';

const ROUTES = 1000;
/** Requests of a round: each step is timed over all of them. */
const BATCH = 100;
const HEADS = 1000;
const ROUNDS = 3000;
/** Rounds in which the compiler still works. */
const WARM_UP = 600;
const ISSUER = 'https://issuer.example.com';
const ORIGIN = 'https://app.example.com';
const PEER = { ip: '192.0.2.7', port: 40_000 };

const POLICY_ON_ROUTE = `corsPolicy: {allowOrigins: [{exact: "https://other.example.com"}, {exact: "${ORIGIN}"}], allowMethods: [GET], allowCredentials: true}, headers: {request: {set: {x-route: gold, x-client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}, add: {x-via: lateen}, remove: [x-debug]}, response: {set: {x-served-by: lateen}, add: {x-kind: item}, remove: [x-internal]}}`;

function policies(jwks: string): string {
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people}
spec: {jwtRules: [{issuer: "${ISSUER}", jwks: '${jwks}', forwardOriginalToken: true}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: open}
spec: {action: ALLOW, rules: [{to: [{operation: {paths: ["/admin/*"], methods: [POST]}}]}, {from: [{source: {requestPrincipals: ["${ISSUER}/*"]}}], to: [{operation: {paths: ["/v1/*"], methods: [GET, HEAD]}}], when: [{key: "request.auth.claims[groups]", values: [shoppers]}]}]}`;
}

interface Signed {
  readonly jwks: string;
  readonly token: string;
}

async function sign(): Promise<Signed> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const key = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256' };
  const token = await new SignJWT({ groups: ['people', 'shoppers'], name: 'Somebody' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench', typ: 'JWT' })
    .setIssuer(ISSUER)
    .setSubject('somebody')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey);
  return { jwks: JSON.stringify({ keys: [key] }), token };
}

function hexSource(): (length: number) => string {
  const pool = Buffer.alloc(65_536);
  let at = pool.length;
  return (length) => {
    if (at + length > pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += length;
    return pool.toString('hex', at - length, at);
  };
}

/** Real time, pooled randomness, lines written to a buffer in batches as a driver does it. */
function benchHost(): Host & { readonly logged: { bytes: number } } {
  const logged = { bytes: 0 };
  const sink = Buffer.alloc(65_536);
  let used = 0;
  return {
    logged,
    clock: {
      nowMs: () => Date.now(),
      sleep: () => Promise.reject(new Error('nothing sleeps here')),
    },
    random: { uniform: Math.random, hex: hexSource() },
    log(line) {
      if (used + line.length + 1 > sink.length) used = 0;
      const written = sink.write(line, used, 'latin1');
      used += written;
      logged.bytes += written;
    },
    background: () => undefined,
    dial: () => Promise.reject(new Error('nobody can be reached')),
  };
}

function withLimit(named: NamedSnapshot): NamedSnapshot {
  const limit = { kind: limitFilter.kind, config: { size: 1e9, perSecond: 1e9 } };
  const listeners = named.snapshot.listeners.map((listener) => ({
    ...listener,
    filters: [...listener.filters, limit],
  }));
  return { ...named, snapshot: { ...named.snapshot, listeners } };
}

/** What a browser's script sends through a client of our time: about 900 bytes. */
function requestHead(index: number, token: string): Buffer {
  const path = `/v1/item${index % (ROUTES / HOSTS)}/details?id=${index}&view=full`;
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: h${index % HOSTS}.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n` +
      `Accept: application/json\r\nAccept-Encoding: gzip, br\r\nAccept-Language: en\r\nAuthorization: Bearer ${token}\r\n` +
      `Origin: ${ORIGIN}\r\nX-Tier: gold\r\nX-Debug: 1\r\nX-Request-Id: 0c5c9d41-6d8e-4c52-8cb8-${String(index).padStart(12, '0')}\r\n` +
      `traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nConnection: keep-alive\r\n\r\n`,
    'latin1',
  );
}

const RESPONSE = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 09:00:00 GMT\r\n' +
    'Cache-Control: no-cache\r\nX-Internal: 1\r\nConnection: keep-alive\r\n\r\n',
  'latin1',
);

const WIRE = Buffer.alloc(65_536);

interface Scene {
  readonly engine: Engine;
  readonly linked: LinkedSnapshot;
  readonly requests: readonly Buffer[];
  readonly logged: { bytes: number };
}

async function prepare(): Promise<Scene> {
  const { jwks, token } = await sign();
  const compiled = compileGateway(
    resourcesOf(
      policies(jwks),
      routesOf(ROUTES, () => POLICY_ON_ROUTE),
    ),
  );
  const host = benchHost();
  const linked = link(
    withLimit(compiled.named),
    compiled.endpoints,
    { version: 'none', sets: {} },
    { host, filters: [...filters, limitFilter] },
  );
  const engine = createEngine({ host });
  const requests = Array.from({ length: HEADS }, (_, index) => requestHead(index, token));
  const scene = { engine, linked, requests, logged: host.logged };
  await verifyOnce(scene);
  return scene;
}

/** The first request checks the signature; all others must find it checked. */
async function verifyOnce({ engine, linked, requests }: Scene): Promise<void> {
  const bytes = requests[0] as Buffer;
  const head = parseRequest(bytes.toString('latin1')) as RawRequestHead;
  const x = engine.begin({ linked, head, peer: PEER, port: 80 });
  if (engine.onRequest(x) !== 'wait') throw new Error('the first token was not verified');
  await x.waiting;
  if (engine.resume(x) !== 'forward') throw new Error(`not forwarded: ${x.details}`);
  engine.onEnd(x);
}

/** Heads of one batch, each step over all of them before the next: so every step is timed by itself. */
interface Batch {
  readonly heads: RawRequestHead[];
  readonly responses: RawResponseHead[];
  readonly exchanges: Exchange[];
  /** Of its first head among all. */
  offset: number;
}

/** The heads are used again, as a connection does with its own. */
function readHeads({ requests }: Scene, { heads, responses, offset }: Batch): void {
  for (let i = 0; i < BATCH; i++) {
    const bytes = requests[(offset + i) % HEADS] as Buffer;
    const head = heads[i];
    heads[i] = parseRequest(
      bytes.toString('latin1'),
      head === undefined ? {} : { reuse: head },
    ) as RawRequestHead;
    const response = responses[i];
    responses[i] = parseResponse(
      RESPONSE.toString('latin1'),
      response === undefined ? {} : { reuse: response },
    ) as RawResponseHead;
  }
}

/** From a read head to the line in the log. */
function decide({ engine, linked }: Scene, batch: Batch): void {
  for (let i = 0; i < BATCH; i++) {
    const x = engine.begin({
      linked,
      head: batch.heads[i] as RawRequestHead,
      peer: PEER,
      port: 80,
    });
    const step = engine.onRequest(x);
    if (step !== 'forward') throw new Error(`${step}, want forward: ${x.details}`);
    if (engine.onResponse(x, batch.responses[i] as RawResponseHead) !== 'deliver')
      throw new Error('not delivered');
    engine.onEnd(x, { bytesSent: 1024 });
    batch.exchanges[i] = x;
  }
}

function writeHeads(_scene: Scene, { heads, responses, exchanges }: Batch): void {
  for (let i = 0; i < BATCH; i++) {
    const { method, upstreamTarget, upstreamAuthority } = exchanges[i] as Exchange;
    const sent = (heads[i] as RawRequestHead).write(method, upstreamTarget, upstreamAuthority);
    WIRE.write(sent, 'latin1');
    WIRE.write((responses[i] as RawResponseHead).write(), 'latin1');
  }
}

const STEPS = [
  ['reading both heads', readHeads],
  ['the engine', decide],
  ['writing both heads', writeHeads],
] as const;

interface Cost {
  readonly name: string;
  readonly us: Spread;
  readonly bytes: Spread;
}

function measure(scene: Scene): Cost[] {
  const batch: Batch = { heads: [], responses: [], exchanges: [], offset: 0 };
  const costs = STEPS.map(([name]) => ({ name, us: [] as number[], bytes: [] as number[] }));
  settle();
  for (let round = 0; round < ROUNDS; round++) {
    batch.offset += BATCH;
    for (const [index, [, step]] of STEPS.entries()) {
      const allocated = allocatedSoFar();
      const begun = performance.now();
      step(scene, batch);
      const ended = performance.now();
      if (round < WARM_UP) continue;
      costs[index]?.us.push(((ended - begun) * 1000) / BATCH);
      costs[index]?.bytes.push((allocatedSoFar() - allocated) / BATCH);
    }
  }
  return costs.map(({ name, us, bytes }) => ({ name, us: spread(us), bytes: spread(bytes) }));
}

const figure = ({ name, us, bytes }: Cost): string =>
  `  ${name}: ${us.median.toFixed(2)} us (lower quartile ${us.quartile.toFixed(2)}), ` +
  `${(bytes.median / 1024).toFixed(1)} KiB`;

export async function benchEngine(): Promise<void> {
  const scene = await prepare();
  const costs = measure(scene);
  const { listeners } = scene.engine.stats();
  const counted = Object.values(listeners).reduce((sum, { requests }) => sum + requests, 0);
  if (counted !== ROUNDS * BATCH + 1) throw new Error(`${counted} requests counted`);
  console.log(`eight policies, ${ROUTES} routes, a request (want at most 6 us and 8 KiB):`);
  for (const cost of costs) console.log(figure(cost));
  const us = costs.reduce((sum, cost) => sum + cost.us.median, 0);
  console.log(`  all three: ${us.toFixed(2)} us; no step waited`);
}

if (import.meta.main) await benchEngine();
