/** Machines by their certificate: which SPIFFE identity has which role. */
import { z } from '@hono/zod-openapi';
import { certificateIdentity } from '../../src/lib/certificate-identity.ts';
import type { Principal } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { Role } from './rights.ts';

export interface MachineRole {
  /** Whole, or with `/*` at its end for all below. */
  readonly identity: string;
  readonly role: Exclude<Role, 'proxy'>;
  readonly namespaces?: readonly string[] | undefined;
}

/** What TLS knows of the client's certificate. */
export interface ShownCertificate {
  readonly der: Uint8Array;
  readonly notAfterMs: number;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** Its chain ends at an authority that is trusted here. */
  readonly isTrusted: boolean;
}

const schema: z.ZodType<MachineRole[]> = z
  .array(
    z.strictObject({
      identity: z
        .string()
        .max(2048)
        .regex(
          /^spiffe:\/\/[-a-z0-9._]+(?:\/[-A-Za-z0-9._]+)*(?:\/\*)?$/,
          'want spiffe://domain/path, or with /* at its end',
        ),
      role: z.enum(['viewer', 'operator', 'editor', 'security-admin', 'admin']),
      namespaces: z.array(z.string().min(1)).min(1).optional(),
    }),
  )
  .min(1);

/** @throws Error that names the first field that isn't as wanted */
export function readMachineRoles(source: string): MachineRole[] {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new Error('the roles of machines are no JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`roles of machines: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

const meets = (identity: string, wanted: string): boolean =>
  wanted.endsWith('/*') ? identity.startsWith(wanted.slice(0, -1)) : identity === wanted;

/** The first that is met counts. @throws Problem 401 when the certificate isn't good, 403 when it has no role */
export function machineOf(
  { der, notAfterMs, serial, isTrusted }: ShownCertificate,
  roles: readonly MachineRole[],
  nowMs: number,
): Principal {
  if (!isTrusted)
    throw new Problem(401, 'unauthorized', 'the client certificate is of no trusted authority');
  if (nowMs >= notAfterMs)
    throw new Problem(401, 'unauthorized', 'the client certificate has ended');
  const read = certificateIdentity(der);
  if ('fault' in read)
    throw new Problem(401, 'unauthorized', `the client certificate: ${read.fault}`);
  const found = roles.find((role) => meets(read.identity, role.identity));
  if (found === undefined) throw new Problem(403, 'forbidden', `${read.identity} has no role here`);
  return {
    name: read.identity,
    role: found.role,
    scopes: [],
    expiresMs: notAfterMs,
    serial,
    by: 'certificate',
    ...(found.namespaces === undefined ? {} : { namespaces: found.namespaces }),
  };
}
