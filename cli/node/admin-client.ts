/** Asks the admin endpoint of a node. */
import { request } from 'node:http';
import { CommandError } from '../errors.ts';
import { adminOf } from './options.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

export type Ask = (method: 'GET' | 'POST', path: string) => Promise<AdminAnswer>;

/** Longer than what it asks of its workers takes. */
const PATIENCE_MS = 5000;
/** A restart answers when the new process is ready, or has had its minute. */
const RESTART_MS = 65_000;

/**
 * @param at URL, [host:]port, or path of a socket
 * @param patienceMs for an answer. @default 5000, for a restart 65,000
 */
export function adminClient(at: string, patienceMs?: number): Ask {
  const place = adminOf(at.replace(/^https?:\/\//, ''));
  if (place === undefined) throw new CommandError('--admin off: want where it is', 2);
  const target =
    'path' in place
      ? { socketPath: place.path }
      : { host: place.host, port: place.port, agent: false as const };
  return (method, path) =>
    new Promise((resolve, reject) => {
      const outgoing = request({ ...target, method, path }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      const waitMs = patienceMs ?? (path === '/restart' ? RESTART_MS : PATIENCE_MS);
      outgoing.setTimeout(waitMs, () => {
        reject(new CommandError(`the proxy at ${at} does not answer (${waitMs / 1000} s)`));
        outgoing.destroy();
      });
      outgoing.on('error', () =>
        reject(
          new CommandError(
            `no proxy answers at ${at}: is \`lateen sidecar\` or \`lateen gateway\` running? (--admin names another endpoint)`,
          ),
        ),
      );
      outgoing.end();
    });
}

/** @throws CommandError on any other answer than 200 */
export async function askJson<Body>(ask: Ask, path: string): Promise<Body> {
  const { status, text } = await ask('GET', path);
  if (status !== 200)
    throw new CommandError(`the proxy answers ${status} to ${path}: ${text.trim()}`);
  return JSON.parse(text) as Body;
}
