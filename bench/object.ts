/**
 * How large a mesh a Durable Object holds: the heap of the control worker's isolate in workerd, as V8's inspector
 * tells it, with VirtualServices and as many Services stored, compiled for a sidecar and a gateway, then changed one
 * by one. Kept is the least of many readings after the first compile, at most the largest of all, garbage included.
 */
import { sha256Hex } from '../src/lib/hash.ts';
import { bundleWorker } from '../workers/build.ts';
import { startLocalWorkers } from '../workers/local.ts';
import type { Ask } from './large-control.ts';
import { ADMIN, applyAll, firstPull, pull } from './large-control.ts';
import { LARGE_SCOPES, largeMesh, withChange } from './large-mesh.ts';
import { median } from './measure.ts';

const COUNTS = [500, 1500, 2500, 5000];
/** Of an object. */
const LIMIT_MB = 128;
const READ_EVERY_MS = 5;
const CHANGES = 40;

/** An isolate's heap, through V8's inspector. */
class Heap {
  most = 0;
  least = Infinity;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: { readonly usedSize?: number }) => void>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result: object };
      if (id !== undefined) this.#waiting.get(id)?.(result);
    });
  }

  static async of(url: string): Promise<Heap> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    return new Heap(socket);
  }

  /** Reads once; in MB. */
  async read(): Promise<void> {
    const { usedSize = 0 } = await this.#call('Runtime.getHeapUsage');
    this.most = Math.max(this.most, usedSize / 1e6);
    this.least = Math.min(this.least, usedSize / 1e6);
  }

  close(): void {
    this.#socket.close();
  }

  #call(method: string): Promise<{ readonly usedSize?: number }> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }
}

async function measure(count: number, script: string): Promise<void> {
  const vars = {
    BOOTSTRAP_HASH: sha256Hex(ADMIN),
    POINTER_MAX_AGE_MS: '0',
    MAX_RESOURCES: '100000',
  };
  const workers = await startLocalWorkers({
    inspects: true,
    workers: [
      {
        name: 'control',
        script,
        vars,
        objects: { CONTROL: 'ControlObject' },
        namespaces: ['BLOBS'],
        sockets: [{ port: 0 }],
      },
    ],
  });
  const url = await workers.url('control');
  const ask: Ask = (path, body, token = ADMIN) =>
    fetch(url + path, {
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
  await ask('/healthz');
  const heap = await Heap.of(await workers.inspector('control'));
  const timer = setInterval(() => void heap.read(), READ_EVERY_MS);
  const resources = largeMesh(count);
  await applyAll(ask, resources);
  const proxies = [];
  for (const scope of LARGE_SCOPES) proxies.push(await firstPull(ask, scope));
  const changed: number[] = [];
  heap.least = Infinity;
  let before = resources;
  for (let change = 0; change < CHANGES; change++) {
    const after = withChange(before, change);
    await applyAll(
      ask,
      after.filter((one, index) => one !== before[index]),
    );
    before = after;
    for (const { scope, token } of proxies) changed.push(await pull(ask, scope, token));
  }
  clearInterval(timer);
  const first = proxies.map(({ ms }) => ms.toFixed(0)).join(' and ');
  console.log(
    `Durable Object with ${count} VirtualServices and Services, two proxies: heap ${heap.least.toFixed(0)} MB kept, ${heap.most.toFixed(0)} MB at most (limit ${LIMIT_MB}); ` +
      `first pointers in ${first} ms, after a change in ${median(changed).toFixed(0)} ms`,
  );
  heap.close();
  await workers.close();
}

export async function benchObject(): Promise<void> {
  const script = await bundleWorker('control/worker.ts');
  for (const count of COUNTS) await measure(count, script);
}

if (import.meta.main) await benchObject();
