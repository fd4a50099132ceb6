/** A worker process: does what its supervisor says over the channel, and ends with it. */
import type { IssuedToken } from '../../src/model/identity.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { ListenAt } from '../listening.ts';
import { createLineLog } from '../log.ts';
import { Channel } from './channel.ts';
import type { Answer } from './channel.ts';
import { ListenError } from './handles.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';
import { ConfigurationReceiver } from './transfer.ts';
import type { SentConfiguration, SentParts } from './transfer.ts';
import { LocalWorker } from './worker.ts';
import type { WorkerOwner } from './worker.ts';

/** Without a supervisor nobody restarts it or tells it anything: what is under way ends, and so does it. */
const ORPHAN_DRAIN_MS = 10_000;

const log = createLineLog(1);
const channel = new Channel(process);
const receiver = new ConfigurationReceiver();
let worker: LocalWorker | undefined;
let turn: Promise<unknown> = Promise.resolve();

const owner: WorkerOwner = {
  async handleFor(host, port): Promise<ListenAt> {
    try {
      const { value, handle } = await channel.call('handle', { host, port });
      return handle === undefined ? (value as ListenAt) : { handle };
    } catch (error) {
      throw new ListenError((error as { readonly code?: string }).code ?? 'EIO', host, port);
    }
  },
  async refreshKeys(scope, uri, kid) {
    await channel.call('refreshKeys', { scope, uri, kid });
  },
  async issueToken(key) {
    const { value } = await channel.call('issueToken', { key });
    return value as IssuedToken;
  },
  log: (line) => log.write(line),
};

function present(): LocalWorker {
  if (worker === undefined) throw new Error('this worker was told nothing yet');
  return worker;
}

/** One after the other, in the order in which they came. */
function inTurn(name: string, work: (given: unknown) => Promise<unknown>): void {
  channel.answer(name, (given) => {
    const done = turn.then(() => work(given));
    turn = done.catch(() => undefined);
    return done.then((value): Answer => ({ value }));
  });
}

function atOnce(name: string, work: (given: unknown) => Promise<unknown>): void {
  channel.answer(name, async (given) => ({ value: await work(given) }));
}

inTurn('setup', async (given) => {
  worker = await LocalWorker.create(given as WorkerSetup, owner);
});
inTurn('configure', async (given) => {
  const { type, sent } = given as { type: ProxyScope['type']; sent: SentConfiguration };
  return present().configure(type, receiver.unpack(type, sent));
});
atOnce('parts', async (given) => {
  const { type, parts } = given as { type: ProxyScope['type']; parts: SentParts };
  receiver.take(type, parts);
});
inTurn('secrets', (given) => present().setSecrets(given as Record<string, SecretMaterial>));
inTurn('open', (given) => present().open(given as readonly FrontPlan[]));
inTurn('accessLog', (given) => present().setAccessLog(given as boolean));
atOnce('listening', () => present().listening());
atOnce('clusters', () => present().clusters());
atOnce('stats', () => present().stats());
atOnce('drain', (given) => present().drain(given as number));
atOnce('end', () => {
  end();
  return Promise.resolve();
});

function end(): void {
  log.close();
  process.exit(0);
}

process.on('disconnect', () => {
  if (worker === undefined) return end();
  void worker.drain(ORPHAN_DRAIN_MS).then(end, end);
});
// Ctrl-C reaches the whole group; the supervisor says what becomes of it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const)
  process.on(signal, () => undefined);
