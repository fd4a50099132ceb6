/** audit: who did or was refused what, and whether the log is whole. */
import { createReadStream, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { ChainPoint, ChainReader, Chained } from '../../src/lib/audit-chain.ts';
import { CHAIN_START, pointText, readChain, readPoint } from '../../src/lib/audit-chain.ts';
import { parseDuration } from '../../src/lib/duration.ts';
import type { AuditEntry } from '../../src/model/store.ts';
import { call, openLines, resolveCredentials } from '../client.ts';
import type { GlobalOptions } from '../context.ts';
import { globalOptions, withConnection } from '../context.ts';
import { CommandError } from '../errors.ts';
import { note, outputFormat, printData, table } from '../output.ts';

interface ListOptions extends GlobalOptions {
  readonly actor?: string;
  readonly status?: string;
  readonly method?: string;
  readonly path?: string;
  readonly since?: string;
  readonly limit: string;
}

function sinceMs(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const ago = parseDuration(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(at))
    throw new CommandError(`--since ${text}: want a duration as 24h, or a time as 2026-01-31`, 2);
  return String(at);
}

async function list(options: ListOptions): Promise<void> {
  const { actor, status, method, path, limit } = options;
  const { body } = await call<{ readonly items: readonly AuditEntry[] }>(
    resolveCredentials(options),
    '/v1/audit',
    { query: { actor, status, method, path, limit, since: sinceMs(options.since) } },
  );
  const format = outputFormat(options.output);
  if (format !== 'text') {
    printData(body.items, format);
    return;
  }
  const rows = body.items.map((entry) => [
    new Date(entry.atMs).toISOString(),
    entry.actor === '' ? '-' : entry.actor,
    entry.role,
    entry.source ?? '-',
    String(entry.status),
    `${entry.method} ${entry.path}${entry.query === undefined ? '' : `?${entry.query}`}${entry.count === undefined ? '' : ` (${entry.count} times)`}`,
  ]);
  const header = ['TIME', 'ACTOR', 'ROLE', 'SOURCE', 'STATUS', 'REQUEST'];
  process.stdout.write(table(header, rows));
}

async function exportAll(options: GlobalOptions & { readonly after?: string }): Promise<void> {
  const body = await openLines(resolveCredentials(options), '/v1/audit/export', {
    after: options.after,
  });
  for await (const chunk of body)
    if (!process.stdout.write(chunk))
      await new Promise((resolve) => {
        process.stdout.once('drain', resolve);
      });
}

interface VerifyOptions extends GlobalOptions {
  readonly filename?: string;
  readonly head?: string;
  readonly state?: string;
  readonly anchor?: string;
}

function point(text: string, option: string): ChainPoint {
  const found = readPoint(text);
  if (found === undefined)
    throw new CommandError(`${option} ${text.slice(0, 100)}: want <seq>:<64 hex digits>`, 2);
  return found;
}

function savedHead({ head, state }: VerifyOptions): ChainPoint | undefined {
  if (head !== undefined) return point(head, '--head');
  if (state === undefined || !existsSync(state)) return undefined;
  return point(readFileSync(state, 'utf8'), `--state ${state}:`);
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function entryOf(line: string, count: number): Chained {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  const { seq, previous } = (value ?? {}) as Partial<Chained>;
  if (typeof seq !== 'number' || typeof previous !== 'string')
    throw new CommandError(`line ${count + 1} is no entry of an audit log`);
  return value as Chained;
}

async function check(chain: ChainReader, chunks: AsyncIterable<string>): Promise<void> {
  for await (const line of linesOf(chunks)) {
    if (line === '') continue;
    const fault = chain.add(entryOf(line, chain.count));
    if (fault !== undefined) throw new CommandError(fault);
  }
  const fault = chain.end();
  if (fault !== undefined) throw new CommandError(fault);
}

interface Ends {
  readonly head: ChainPoint;
  readonly anchor: ChainPoint;
}

async function verifyLive(options: VerifyOptions): Promise<ChainReader> {
  const credentials = resolveCredentials(options);
  const { body } = await call<Ends>(credentials, '/v1/audit/ends');
  const chain = readChain(body.anchor, savedHead(options));
  await check(chain, await openLines(credentials, '/v1/audit/export', {}));
  // What was appended since the ends were asked for stands behind the head.
  if (chain.head.seq < body.head.seq)
    throw new CommandError(
      `the log says that it ends at entry ${body.head.seq}, and gives ${chain.head.seq}`,
    );
  return chain;
}

async function verifyFile(file: string, options: VerifyOptions): Promise<ChainReader> {
  const anchor = options.anchor === undefined ? CHAIN_START : point(options.anchor, '--anchor');
  const chain = readChain(anchor, savedHead(options));
  const source = file === '-' ? process.stdin : createReadStream(file);
  await check(chain, Readable.from(source.setEncoding('utf8')) as AsyncIterable<string>);
  return chain;
}

async function verify(options: VerifyOptions): Promise<void> {
  const { filename, state } = options;
  const { count, head } = await (filename === undefined
    ? verifyLive(options)
    : verifyFile(filename, options));
  note(`${count} ${count === 1 ? 'entry' : 'entries'}, none changed, removed or added`);
  process.stdout.write(`${pointText(head)}\n`);
  if (state !== undefined) writeFileSync(state, `${pointText(head)}\n`, { mode: 0o600 });
}

export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('who did or was refused what');
  withConnection(audit.command('list'))
    .description('the newest entries')
    .option('--actor <name>', 'only by this one')
    .option('--status <code>', 'only with this status, as 403')
    .option('--method <method>', 'as DELETE')
    .option('--path <prefix>', 'as /v1/tokens')
    .option('--since <when>', 'a duration as 24h, or a time')
    .option('--limit <count>', 'at most 500', '50')
    .option('-o, --output <format>', 'json or yaml')
    .action(async (_options: unknown, command: Command) => list(globalOptions(command)));
  withConnection(audit.command('export'))
    .description('all that is kept, a JSON line an entry, oldest first')
    .option('--after <seq>', 'only what is newer')
    .action(async (_options: unknown, command: Command) => exportAll(globalOptions(command)));
  withConnection(audit.command('verify'))
    .description(
      'hold the log against its chain of hashes; prints the head, which a later check can be given',
    )
    .option('-f, --filename <file>', 'an export, or - for standard input; else the running mesh')
    .option('--anchor <seq:hash>', 'with -f: the entry before the first, if the log was cut')
    .option('--head <seq:hash>', 'a head printed earlier, which the log must still have')
    .option('--state <file>', 'keeps the head: read before, written after')
    .action(async (_options: unknown, command: Command) => verify(globalOptions(command)));
}
