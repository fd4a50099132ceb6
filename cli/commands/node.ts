/** node: the sidecars and gateways that run on this machine. */
import type { Command } from 'commander';
import { isAlive, readRecords } from '../../node-adapter/process/record.ts';
import type { NodeRecord } from '../../node-adapter/process/record.ts';
import { globalOptions } from '../context.ts';
import type { GlobalOptions } from '../context.ts';
import { CommandError } from '../errors.ts';
import { adminClient, askJson } from '../node/admin-client.ts';
import { DATA_DIR_DEFAULT } from '../node/options.ts';
import { outputFormat, printData, table } from '../output.ts';

interface NodeCommandOptions extends GlobalOptions {
  readonly admin?: string;
  readonly dataDir: string;
  readonly name?: string;
}

interface Status {
  readonly pid: number;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly startedMs: number;
  readonly state: string;
  readonly workers: readonly {
    readonly worker: number;
    readonly pid?: number;
    readonly ready: boolean;
    readonly restarts: number;
  }[];
}

const nameOf = ({ kind, namespace, name }: NodeRecord): string => `${kind} ${namespace}/${name}`;

function recordsOf({ dataDir, name }: NodeCommandOptions): readonly NodeRecord[] {
  return readRecords(dataDir).filter((record) => name === undefined || record.name === name);
}

function theRecord(options: NodeCommandOptions): NodeRecord {
  const records = recordsOf(options);
  const [record] = records;
  if (record === undefined)
    throw new CommandError(
      `no node runs by ${options.dataDir}: --data-dir or --admin names another`,
    );
  if (records.length > 1)
    throw new CommandError(
      `${records.map((one) => nameOf(one)).join(', ')} run here: --name says which`,
      2,
    );
  return record;
}

/** By the endpoint that is named, else by the one in its record. */
function endpointOf(options: NodeCommandOptions): string | undefined {
  return options.admin ?? theRecord(options).admin;
}

const POLL_MS = 100;
const SIGNAL_MS = 60_000;

/** A node without an admin endpoint can only be told by a signal, and only its record tells what came of it. */
async function restartBySignal(options: NodeCommandOptions): Promise<number> {
  const { pid } = theRecord(options);
  process.kill(pid, 'SIGUSR2');
  for (const untilMs = Date.now() + SIGNAL_MS; Date.now() < untilMs;) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
    const [now] = recordsOf(options);
    if (now !== undefined && now.pid !== pid) return now.pid;
    if (!isAlive(pid)) break;
  }
  throw new CommandError(`pid ${pid} was not replaced; its log says why`);
}

async function restart(options: NodeCommandOptions): Promise<void> {
  const admin = endpointOf(options);
  if (admin === undefined) {
    process.stdout.write(`pid ${await restartBySignal(options)} took over\n`);
    return;
  }
  const { status, text } = await adminClient(admin)('POST', '/restart');
  if (status !== 200) throw new CommandError(`not restarted, it goes on: ${text.trim()}`);
  const { pid } = JSON.parse(text) as { readonly pid: number };
  process.stdout.write(`pid ${pid} took over; the one before drains\n`);
}

async function drain(options: NodeCommandOptions): Promise<void> {
  const admin = endpointOf(options);
  if (admin === undefined) {
    const { pid } = theRecord(options);
    process.kill(pid, 'SIGTERM');
    process.stdout.write(`pid ${pid} drains, then ends\n`);
    return;
  }
  const client = adminClient(admin);
  const { pid } = await askJson<Status>(client, '/node');
  const { status, text } = await client('POST', '/drain');
  if (status !== 202) throw new CommandError(`the proxy answers ${status}: ${text.trim()}`);
  process.stdout.write(`pid ${pid} drains, then ends\n`);
}

type Seen = Status & { readonly admin?: string };

const ask = async (admin: string): Promise<Seen> => ({
  ...(await askJson<Status>(adminClient(admin), '/node')),
  admin,
});

/** Of one without an admin endpoint no more is known than that it is there. */
const silent = (record: NodeRecord, state: string): Seen => ({ ...record, state, workers: [] });

async function statuses(options: NodeCommandOptions): Promise<readonly Seen[]> {
  if (options.admin !== undefined) return [await ask(options.admin)];
  return Promise.all(
    recordsOf(options).map(async (record) =>
      record.admin === undefined
        ? silent(record, 'unknown')
        : ask(record.admin).catch(() => silent(record, 'does not answer')),
    ),
  );
}

async function status(options: NodeCommandOptions): Promise<void> {
  const format = outputFormat(options.output);
  const all = await statuses(options);
  if (format !== 'text') {
    printData(all, format);
    return;
  }
  if (all.length === 0) throw new CommandError(`no node runs by ${options.dataDir}`);
  const rows = all.map(({ kind, namespace, name, pid, state, startedMs, workers, admin = '-' }) => [
    `${namespace}/${name}`,
    kind,
    String(pid),
    state,
    `${workers.filter(({ ready }) => ready).length}/${workers.length}`,
    String(workers.reduce((sum, { restarts }) => sum + restarts, 0)),
    new Date(startedMs).toISOString(),
    admin,
  ]);
  const header = ['NAME', 'KIND', 'PID', 'STATE', 'WORKERS', 'RESTARTS', 'SINCE', 'ADMIN'];
  process.stdout.write(table(header, rows));
}

const actions = {
  status: { text: 'what runs here, and how it is', run: status },
  restart: { text: 'replace a node by a new process without refusing a connection', run: restart },
  drain: { text: 'take nothing new, finish what is under way, end', run: drain },
} as const;

export function registerNode(program: Command): void {
  const command = program
    .command('node')
    .description('the sidecars and gateways that run on this machine');
  for (const [name, { text, run }] of Object.entries(actions)) {
    const one = command
      .command(name)
      .description(text)
      .option('--admin <at>', 'its admin endpoint (default: of its record in the data folder)')
      .option('--data-dir <folder>', 'where it keeps its record', DATA_DIR_DEFAULT)
      .option('--name <name>', 'which, where several run');
    if (name === 'status') one.option('-o, --output <format>', 'json or yaml');
    one.action(async (_options: unknown, self: Command) =>
      run(globalOptions<NodeCommandOptions>(self)),
    );
  }
}
