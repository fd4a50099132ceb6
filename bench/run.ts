/** npm run bench: everything that is measured without sockets. Each part also runs by itself (`node bench/engine.ts`). */
import { benchCompile } from './compile.ts';
import { benchEdge } from './edge.ts';
import { benchEngine } from './engine.ts';
import { benchRoutes } from './routes.ts';

console.log(`node ${process.version}`);
await benchEngine();
benchRoutes();
benchCompile();
await benchEdge();
