/** How a node of the command line comes by its identity: it joins the mesh of a control plane, or has done so before. */
import { X509Certificate, createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWorkloadIdentity } from '../../node-adapter/process/index.ts';
import type { Joining, WorkloadIdentity } from '../../node-adapter/process/index.ts';
import { parseJoinToken } from '../../src/delivery/joining.ts';
import { identityOf, trustDomainOf, workloadOf } from '../../src/lib/spiffe-id.ts';
import { resolveServer } from '../client.ts';
import type { Connection } from '../client.ts';
import { CommandError } from '../errors.ts';

export interface JoinOptions extends Connection {
  readonly joinToken?: string;
  readonly oidcToken?: string;
  readonly joinRoot?: string;
  readonly identity?: string;
  readonly joinServer?: string;
  readonly renewAt: string;
}

export interface NodeName {
  readonly kind: 'sidecar' | 'gateway';
  readonly namespace: string;
  readonly name: string;
  readonly dataDir: string;
}

const JOIN_TOKEN = 'LATEEN_JOIN_TOKEN';
const SHA256 = /^[0-9a-f]{64}$/;

/** `@file` is read anew whenever it is wanted: whoever keeps it may replace it. */
function readValue(flag: string, text: string): string {
  if (!text.startsWith('@')) return text.trim();
  const file = text.slice(1);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new CommandError(`${flag} ${text}: it can not be read`, 2);
  }
}

function byToken(text: string): Joining {
  const token = readValue('--join-token', text);
  const parsed = parseJoinToken(token);
  if (parsed === undefined)
    throw new CommandError(
      '--join-token: want what `lateen join-token create` printed, or @ and a file that holds it',
      2,
    );
  const { root, identity } = parsed;
  return { credential: { token }, root, identity, trustDomain: trustDomainOf(identity) };
}

/** The account that the proxy joins as, if it is of its own namespace; of a token that is gone nothing is to be said here. */
export function joinedAccount(options: JoinOptions, namespace: string): string | undefined {
  const token = options.joinToken ?? process.env[JOIN_TOKEN];
  let identity = identityOf(options.identity ?? '');
  try {
    if (token !== undefined) ({ identity } = byToken(token));
  } catch {
    return undefined;
  }
  const workload = identity === undefined ? undefined : workloadOf(identity);
  return workload?.namespace === namespace ? workload.serviceAccount : undefined;
}

/** SHA-256 in hex, or the file of the certificate. */
function rootPin(text: string): string {
  const hex = text.replaceAll(':', '').toLowerCase();
  if (SHA256.test(hex)) return hex;
  try {
    return createHash('sha256')
      .update(new X509Certificate(readFileSync(text)).raw)
      .digest('hex');
  } catch {
    throw new CommandError(`--join-root ${text}: want SHA-256 in hex, or a certificate's file`, 2);
  }
}

function byOidc({ oidcToken = '', joinRoot, identity: uri }: JoinOptions): Joining {
  if (joinRoot === undefined)
    throw new CommandError(
      '--oidc-token: want --join-root, too: the token is shown to nobody whom that root has not certified',
      2,
    );
  const identity = identityOf(uri ?? '');
  if (identity === undefined)
    throw new CommandError(
      '--oidc-token: want --identity, as spiffe://cluster.local/ns/shop/sa/cart',
      2,
    );
  return {
    credential: { oidc: readValue('--oidc-token', oidcToken) },
    root: rootPin(joinRoot),
    identity,
    trustDomain: trustDomainOf(identity),
  };
}

function chooseJoining(options: JoinOptions): (() => Joining) | undefined {
  const token = options.joinToken ?? process.env[JOIN_TOKEN];
  // The application that is started beside the proxy needs none of it.
  delete process.env[JOIN_TOKEN];
  if (token !== undefined && options.oidcToken !== undefined)
    throw new CommandError('--join-token and --oidc-token: one of them is enough', 2);
  if (token !== undefined) return () => byToken(token);
  return options.oidcToken === undefined ? undefined : () => byOidc(options);
}

function ratioOf(text: string): number {
  const ratio = Number(text);
  if (ratio >= 0.1 && ratio <= 0.9) return ratio;
  throw new CommandError(`--renew-at ${text}: want 0.1 to 0.9 of a certificate's life`, 2);
}

/** Undefined = the proxy joins nothing. @throws CommandError */
export function chooseIdentity(
  options: JoinOptions,
  { kind, namespace, name, dataDir }: NodeName,
  log: (line: string) => void,
): WorkloadIdentity | undefined {
  const joining = chooseJoining(options);
  const own = [kind, namespace, name].map(encodeURIComponent).join('.');
  const file = join(dataDir, `${own}.identity.json`);
  if (joining === undefined && !existsSync(file)) return undefined;
  // What is mistyped is said at once.
  if (!existsSync(file)) joining?.();
  return createWorkloadIdentity({
    url: options.joinServer ?? resolveServer(options),
    file,
    ...(joining === undefined ? {} : { joining }),
    timing: { ratio: ratioOf(options.renewAt) },
    log,
  });
}
