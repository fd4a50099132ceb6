/** Roots and intermediates on this machine: made, read from files, signed. The root's key goes to no control plane. */
import { createPrivateKey } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { MadeRoot } from '../../control/identity/offline.ts';
import { call } from '../client.ts';
import type { Credentials } from '../client.ts';
import { CommandError } from '../errors.ts';

/** What the control plane is given: PEM. */
export interface Material {
  readonly root: string;
  readonly chain: string;
  readonly key?: string;
}

export interface RootFiles {
  readonly rootCert: string;
  /** Absent: the key is printed once. */
  readonly rootKey?: string;
}

/** Of an intermediate that somebody else's authority signed. */
export interface BroughtFiles {
  readonly rootCert: string;
  readonly caCert: string;
  readonly caKey: string;
  /** Those between it and the root. */
  readonly certChain?: string;
}

/** Certificates are written by few commands; all others start without what writes them. */
const offline = async () => import('../../control/identity/offline.ts');

export function readPem(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(
      `${option} ${file}: cannot be read (${error instanceof Error ? error.message : 'unknown fault'})`,
      2,
    );
  }
}

/** Any private key that OpenSSL writes, as PKCS#8; LATEEN_CA_KEY_PASSPHRASE opens one that is locked. */
function readKey(file: string, option: string): string {
  const pem = readPem(file, option);
  const passphrase = process.env['LATEEN_CA_KEY_PASSPHRASE'];
  try {
    const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
    return key.export({ type: 'pkcs8', format: 'pem' });
  } catch {
    throw new CommandError(
      `${option} ${file}: it holds no private key, or one that LATEEN_CA_KEY_PASSPHRASE doesn't open`,
      2,
    );
  }
}

/** Words for what is wrong with somebody's files; the control plane checks the same again. */
async function refused<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : 'unknown fault');
  }
}

function writeNew(file: string, text: string, { mode, option }: { mode: number; option: string }) {
  try {
    writeFileSync(file, text, { mode, flag: 'wx' });
  } catch (error) {
    const isThere = (error as { readonly code?: string }).code === 'EEXIST';
    throw new CommandError(
      isThere
        ? `${option} ${file}: the file exists, and a root is never overwritten: name another`
        : `${option} ${file}: cannot be written (${error instanceof Error ? error.message : 'unknown fault'})`,
      2,
    );
  }
}

/** Kept on disk before anything is signed with it; a key without a file is given to `print`. */
export async function newRoot(
  trustDomain: string,
  { rootCert, rootKey }: RootFiles,
  print: (key: string) => void,
): Promise<MadeRoot> {
  if (existsSync(rootCert))
    throw new CommandError(
      `--root-cert ${rootCert}: the file exists, and a root is never overwritten: name another, or use \`lateen ca renew\` with it`,
      2,
    );
  const { makeRoot } = await offline();
  const root = await makeRoot(trustDomain, Date.now());
  if (rootKey === undefined) print(root.key);
  else writeNew(rootKey, root.key, { mode: 0o600, option: '--root-key' });
  writeNew(rootCert, root.certificate, { mode: 0o644, option: '--root-cert' });
  return root;
}

export interface Asked {
  readonly trustDomain: string;
  /** PEM of the certificate request. */
  readonly request: string;
}

/** The control plane makes a key, keeps it, and asks for its certificate. */
export async function askForRequest(credentials: Credentials): Promise<Asked> {
  const { body } = await call<Asked>(credentials, '/v1/identity/authority/request', {
    method: 'POST',
  });
  return body;
}

export async function signed({ request }: Asked, root: MadeRoot): Promise<Material> {
  const { signRequest } = await offline();
  const chain = await refused(signRequest(request, root, Date.now()));
  return { root: root.certificate, chain };
}

export function readRoot({ rootCert, rootKey }: Required<RootFiles>): MadeRoot {
  return {
    certificate: readPem(rootCert, '--root-cert'),
    key: readKey(rootKey, '--root-key'),
  };
}

export function readBrought({ rootCert, caCert, caKey, certChain }: BroughtFiles): Material {
  const more = certChain === undefined ? '' : `\n${readPem(certChain, '--cert-chain')}`;
  return {
    root: readPem(rootCert, '--root-cert'),
    chain: readPem(caCert, '--ca-cert') + more,
    key: readKey(caKey, '--ca-key'),
  };
}
