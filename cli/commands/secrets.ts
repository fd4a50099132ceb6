/** api-key, basic-auth: what stands for a secret in a Policy is made here, and the secret leaves no trace. */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { apiKeyEntry, parseApiKeyEntry } from '../../src/lib/api-key.ts';
import { MAX_ITERATIONS, MIN_ITERATIONS, hashPassword } from '../../src/lib/password-hash.ts';
import { parseLongDuration } from '../duration.ts';
import { CommandError } from '../errors.ts';
import { note } from '../output.ts';

const KEY_BYTES = 32;
const SALT_BYTES = 16;

/** RFC 3339, to the second. */
function endOf(text: string): string {
  const ms = parseLongDuration(text);
  const time = ms === undefined ? Date.parse(text) : Date.now() + ms;
  if (Number.isNaN(time) || time <= Date.now())
    throw new CommandError(
      `--expires ${text}: want a duration as 30d or 720h, or a time to come as 2027-01-31T00:00:00Z`,
      2,
    );
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The key and its entry, a line each. */
function createKey({ expires }: { readonly expires?: string }): void {
  const key = `lak_${randomBytes(KEY_BYTES).toString('base64url')}`;
  const entry = apiKeyEntry(key, expires === undefined ? undefined : endOf(expires));
  if (parseApiKeyEntry(entry) === undefined) throw new Error('an entry that can not be read');
  note('the key, shown only this once, and its hash for a Policy or Secret:');
  process.stdout.write(`${key}\n${entry}\n`);
}

/** The first line of standard input; where a person types it, it isn't shown. */
async function readPassword(): Promise<string> {
  const isTyped = process.stdin.isTTY;
  if (isTyped) note('password:');
  const lines = createInterface({ input: process.stdin, terminal: isTyped });
  try {
    const { value } = await lines[Symbol.asyncIterator]().next();
    return typeof value === 'string' ? value : '';
  } finally {
    lines.close();
    // A terminal or pipe would keep the process; a file has nothing to be let go of.
    process.stdin.destroy();
  }
}

interface HashOptions {
  readonly iterations?: string;
  readonly user?: string;
}

async function hash({ iterations, user }: HashOptions): Promise<void> {
  const count = iterations === undefined ? MAX_ITERATIONS : Number(iterations);
  if (!Number.isInteger(count) || count < MIN_ITERATIONS || count > MAX_ITERATIONS)
    throw new CommandError(
      `--iterations ${String(iterations)}: want ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`,
      2,
    );
  if (user !== undefined && (user === '' || /[:\x00-\x1f\x7f-\x9f]/.test(user)))
    throw new CommandError(`--user ${JSON.stringify(user)}: want a name without colon`, 2);
  const password = await readPassword();
  if (password === '' || /[\x00-\x1f\x7f-\x9f]/.test(password))
    throw new CommandError('the password is empty or has controls: give it on standard input', 2);
  const text = await hashPassword(password, Uint8Array.from(randomBytes(SALT_BYTES)), count);
  process.stdout.write(`${user === undefined ? '' : `${user}:`}${text}\n`);
}

export function registerSecrets(program: Command): void {
  const key = program.command('api-key').description('keys for the part apiKeys of a Policy');
  key
    .command('create')
    .description('draw a key; prints it, and the hash to keep, a line each')
    .option('--expires <when>', 'when it ends: a duration as 30d, or a time')
    .action((options: { readonly expires?: string }) => createKey(options));
  const basic = program
    .command('basic-auth')
    .description('passwords for the part basicAuth of a Policy');
  basic
    .command('hash')
    .description('the hash of the password on standard input')
    .option('--user <name>', 'print a line for the entry users of a Secret')
    .option('--iterations <n>', `of PBKDF2; ${MAX_ITERATIONS} by default`)
    .action((options: HashOptions) => hash(options));
}
