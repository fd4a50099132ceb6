/** A process that compiles for one that carries traffic, and ends with it. */
import { Channel } from '../../node-adapter/process/channel.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { FileCompiler } from './file-compiler.ts';

const compiler = new FileCompiler();
const channel = new Channel(process);
channel.answer('compile', async (given) => {
  const { paths, scopes } = given as {
    readonly paths: readonly string[];
    readonly scopes: readonly ProxyScope[];
  };
  return { value: await compiler.compile(paths, scopes) };
});
channel.answer('part', async (name) => ({ value: await compiler.part(name as string) }));

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group; the proxy says what becomes of it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const)
  process.on(signal, () => undefined);
