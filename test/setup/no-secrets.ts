/** Before every test file: whatever is printed while it runs, a secret in it fails the file. */
import { afterAll, expect } from 'vitest';
import { secretsIn } from './secrets.ts';

const found = new Set<string>();

function look(chunk: unknown): void {
  const text = typeof chunk === 'string' ? chunk : chunk instanceof Uint8Array ? String(chunk) : '';
  for (const secret of secretsIn(text)) found.add(secret);
}

for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]) => {
    look(args[0]);
    return write(...args);
  };
}
for (const name of ['log', 'info', 'warn', 'error', 'debug'] as const) {
  const print = console[name].bind(console) as (...args: unknown[]) => void;
  console[name] = (...args: unknown[]) => {
    for (const arg of args) look(typeof arg === 'string' ? arg : (JSON.stringify(arg) ?? ''));
    print(...args);
  };
}

afterAll(() => {
  // Cut, so that this doesn't print it again.
  expect([...found].map((secret) => secret.slice(0, 12))).toEqual([]);
});
