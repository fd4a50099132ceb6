/**
 * The authority that `lateen up` and `lateen control` set up by themselves where there is none. Its root rests in the data
 * folder, so that its intermediate renews itself too: as safe as that folder, and good until somebody brings another.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { call } from '../client.ts';
import type { Credentials } from '../client.ts';
import type { AuthorityStatus } from './status.ts';
import { askForRequest, newRoot, readRoot, signed } from './material.ts';

const CHECK_EVERY_MS = 6 * 3_600_000;
const AUTHORITY = '/v1/identity/authority';

interface Embedded {
  readonly credentials: Credentials;
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

const filesIn = (dataDir: string): { readonly rootCert: string; readonly rootKey: string } => ({
  rootCert: join(dataDir, 'ca-root.pem'),
  rootKey: join(dataDir, 'ca-root-key.pem'),
});

async function install({ credentials, dataDir, say }: Embedded): Promise<void> {
  const files = filesIn(dataDir);
  const asked = await askForRequest(credentials);
  mkdirSync(dataDir, { recursive: true });
  // One that was interrupted goes on with the root that it made.
  const isThere = existsSync(files.rootCert) && existsSync(files.rootKey);
  const root = isThere ? readRoot(files) : await newRoot(asked.trustDomain, files, () => undefined);
  await call(credentials, AUTHORITY, {
    method: 'POST',
    body: JSON.stringify(await signed(asked, root)),
  });
  say(
    `certificate authority of ${asked.trustDomain} set up; the root's key is ${files.rootKey}: move it offline for more than a trial`,
  );
}

const pemBody = (pem: string): string => pem.replaceAll(/\s/g, '');

async function renew(embedded: Embedded, status: AuthorityStatus): Promise<void> {
  const files = filesIn(embedded.dataDir);
  const isDue = status.conditions.some(
    ({ type, status: state }) => type === 'SignerValid' && state === 'False',
  );
  if (!isDue || !existsSync(files.rootKey) || !existsSync(files.rootCert)) return;
  const { credentials } = embedded;
  const { body } = await call<{ readonly keys: readonly { use: string; x5c?: string[] }[] }>(
    credentials,
    '/v1/identity/bundle',
  );
  const own = pemBody(readFileSync(files.rootCert, 'utf8'));
  if (!body.keys.some(({ x5c: [der] = [] }) => der !== undefined && own.includes(der))) return;
  const material = await signed(await askForRequest(credentials), readRoot(files));
  await call(credentials, AUTHORITY, { method: 'POST', body: JSON.stringify(material) });
  embedded.say('certificate authority: new intermediate under the root of the data folder');
}

async function keep(embedded: Embedded): Promise<void> {
  const { body } = await call<AuthorityStatus>(embedded.credentials, AUTHORITY);
  await (body.signer === undefined ? install(embedded) : renew(embedded, body));
}

/** Sets one up where there is none, and renews its intermediate as long as this process runs. Returns what ends that. */
export async function keepAuthority(embedded: Embedded): Promise<() => void> {
  const attempt = async (): Promise<void> => {
    try {
      await keep(embedded);
    } catch (error) {
      const cause = error instanceof Error ? error.message : 'unknown fault';
      embedded.say(`WARNING certificate authority: ${cause}`);
    }
  };
  await attempt();
  const timer = setInterval(() => void attempt(), CHECK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
