/** What routes cost: the engine over received heads with 10 and with 10,000 of them, the same policies in front. */
import { createFakeHost } from '../src/host/fake-host.ts';
import { parseRequest, parseResponse } from '../src/http1/index.ts';
import type { RawRequestHead, RawResponseHead } from '../src/http1/index.ts';
import { filters } from '../src/presets/node.ts';
import { createEngine, link } from '../src/proxy/index.ts';
import { microseconds, settle } from './measure.ts';
import { HOSTS, compileGateway, resourcesOf, routesOf } from './mesh.ts';

const FEW = 10;
const MANY = 10_000;
const PER_ROUND = 4000;
const PEER = { ip: '192.0.2.7' };
/** What is promised: flat in the number of routes, and cheap. */
const MOST_TIMES = 2;
const MOST_US = 10;

const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

function requestText(index: number, perHost: number): string {
  return (
    `GET /v1/item${index % perHost}/x?y=1 HTTP/1.1\r\nHost: h${index % HOSTS}.example.com\r\n` +
    'User-Agent: bench/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nX-Tier: gold\r\n\r\n'
  );
}

/** Microseconds for one request: head read, decided, response head read, line made. */
function decideUs(count: number): number {
  const routes = routesOf(count, (index) => `headers: {request: {set: {x-route: "${index}"}}}`);
  const compiled = compileGateway(resourcesOf(routes));
  const host = { ...createFakeHost(), log: () => undefined };
  const keys = { version: 'none', sets: {} };
  const linked = link(compiled.named, compiled.endpoints, keys, { host, filters });
  const engine = createEngine({ host });
  const texts = Array.from({ length: MANY }, (_, index) => requestText(index, count / HOSTS));
  // Used again, as a connection does with its own.
  const reuse = parseRequest(texts[0] as string) as RawRequestHead;
  const reuseResponse = parseResponse(RESPONSE) as RawResponseHead;
  settle();
  return microseconds((index) => {
    const head = parseRequest(texts[index % MANY] as string, { reuse }) as RawRequestHead;
    const x = engine.begin({ linked, head, peer: PEER, port: 80 });
    if (engine.onRequest(x) !== 'forward') throw new Error(`not forwarded: ${x.details}`);
    engine.onResponse(x, parseResponse(RESPONSE, { reuse: reuseResponse }) as RawResponseHead);
    engine.onEnd(x);
  }, PER_ROUND).median;
}

export function benchRoutes(): void {
  const few = decideUs(FEW);
  const many = decideUs(MANY);
  const times = many / few;
  console.log(`${FEW} routes: ${few.toFixed(2)} us a request; want less than ${MOST_US}`);
  console.log(
    `10,000 routes: ${many.toFixed(2)} us, ${times.toFixed(2)} x of ${FEW}; want at most ${MOST_TIMES} x`,
  );
}

if (import.meta.main) benchRoutes();
