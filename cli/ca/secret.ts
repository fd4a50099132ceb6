/** The secret that wraps the authority's keys: given, or made once and kept readable to its owner alone. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AuthoritySecrets {
  readonly secret: string;
  /** The one before it, until `lateen ca rewrap`. */
  readonly before?: string;
}

const FILE = 'ca-secret';

/** LATEEN_CA_SECRET and LATEEN_CA_SECRET_OLD, else `ca-secret` and `ca-secret.old` of the folder. */
export function authoritySecrets(dataDir: string): AuthoritySecrets {
  const { LATEEN_CA_SECRET: given, LATEEN_CA_SECRET_OLD: givenBefore } = process.env;
  const file = join(dataDir, FILE);
  const read = (name: string): string | undefined =>
    existsSync(name) ? readFileSync(name, 'utf8').trim() : undefined;
  const before = givenBefore ?? read(`${file}.old`);
  const more = before === undefined || before === '' ? {} : { before };
  if (given !== undefined && given !== '') return { secret: given, ...more };
  const known = read(file);
  if (known !== undefined) return { secret: known, ...more };
  const secret = randomBytes(32).toString('base64url');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  return { secret, ...more };
}
