/** How many attack cases there are, by file: `npm run attacks:count`. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Listed {
  readonly name: string;
  readonly file: string;
}

/** What shows that a test could fail, and isn't an attack. */
const isControl = ({ name }: Listed): boolean =>
  name.split(' > ').some((part) => /^what must (?:pass|be taken)$/.test(part)) ||
  name.endsWith(' > would be found');

/** As vitest collects them: each row of a table counts once for each plane that it is tried on. */
async function collect(): Promise<readonly Listed[]> {
  const args = [
    'vitest',
    'list',
    'test/attacks',
    '--project',
    'node',
    '--no-static-parse',
    '--json',
  ];
  const child = spawn('npx', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  if (code !== 0) throw new Error(`vitest list ended with ${code}`);
  return JSON.parse(text.slice(text.indexOf('['))) as Listed[];
}

export async function countAttacks(): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const test of await collect()) {
    const file = basename(test.file);
    counts.set(file, (counts.get(file) ?? 0) + (isControl(test) ? 0 : 1));
  }
  return counts;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const counts = await countAttacks();
  for (const [file, count] of [...counts].toSorted(([a], [b]) => a.localeCompare(b)))
    process.stdout.write(`${String(count).padStart(6)} ${file}\n`);
  process.stdout.write(
    `${[...counts.values()].reduce((sum, count) => sum + count, 0)} attack cases\n`,
  );
}
