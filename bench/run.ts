/**
 * `npm run bench` measures everything that needs nothing else, `npm run bench -- compile delivery` these parts. Each also
 * runs by itself (`node bench/engine.ts`). `npm run bench -- load [scenario...]` is the proxy under load, beside others.
 */
import { benchCompile } from './compile.ts';
import { benchControl } from './control.ts';
import { benchDelivery } from './delivery.ts';
import { benchEdge } from './edge.ts';
import { benchEngine } from './engine.ts';
import { benchHttp1 } from './http1.ts';
import { benchHttp2 } from './http2.ts';
import { benchIssue } from './issue.ts';
import { benchJwt } from './jwt.ts';
import { benchLoad } from './load/index.ts';
import { benchObject } from './object.ts';
import { benchRoutes } from './routes.ts';
import { benchTcp } from './tcp.ts';

const parts: Readonly<Record<string, () => void | Promise<void>>> = {
  engine: benchEngine,
  routes: benchRoutes,
  http1: benchHttp1,
  http2: benchHttp2,
  jwt: benchJwt,
  compile: benchCompile,
  delivery: benchDelivery,
  control: benchControl,
  issue: benchIssue,
  edge: benchEdge,
  object: benchObject,
  tcp: benchTcp,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(parts, name));
if (asked[0] === 'load') await benchLoad(asked.slice(1));
else if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  process.exitCode = 1;
} else {
  console.log(`node ${process.version}`);
  for (const [name, measure] of Object.entries(parts))
    if (asked.length === 0 || asked.includes(name)) await measure();
}
