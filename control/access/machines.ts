/** Machines by their certificate: which SPIFFE identity has which role. */
import { z } from '@hono/zod-openapi';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import { readCertificate } from '../../src/lib/x509/certificate.ts';
import { PURPOSE } from '../../src/lib/x509/extensions.ts';
import { shownIdentity } from '../../src/lib/x509/svid.ts';
import type { Principal } from '../auth.ts';
import { Problem } from '../problem.ts';
import type { Holder, Role } from './rights.ts';
import { exceeds } from './rights.ts';

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

/** The URI of the one identity that a client's certificate shows. @throws Problem 401 */
function identityOf(der: Uint8Array): string {
  const refuse = (why: string): Problem =>
    new Problem(401, 'unauthorized', `the client certificate ${why}`);
  const read = readCertificate(der);
  if (read === undefined) throw refuse('can not be read');
  if (read.isAuthority) throw refuse("is an authority's");
  const { clientAuth, any } = PURPOSE;
  if (read.purposes?.some((one) => one === clientAuth || one === any) === false)
    throw refuse('is of no client');
  const identity = shownIdentity(read.names);
  if (identity === undefined) throw refuse('shows no SPIFFE ID of a workload, or several URIs');
  return spiffeUri(identity);
}

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
  const identity = identityOf(der);
  const found = roles.find((role) => meets(identity, role.identity));
  if (found === undefined) throw new Problem(403, 'forbidden', `${identity} has no role here`);
  return {
    name: identity,
    role: found.role,
    scopes: [],
    expiresMs: notAfterMs,
    serial,
    by: 'certificate',
    ...(found.namespaces === undefined ? {} : { namespaces: found.namespaces }),
  };
}

/** Its name may have slashes. */
const PLACE = /\{[^{}]*\}/g;

/** May a segment of a template (`a`, `{claim}`, `a-{claim}`) become this one? */
function becomes(template: string, segment: string): boolean {
  const [head = '', ...parts] = template.split('{}');
  const tail = parts.at(-1);
  if (tail === undefined) return segment === head;
  // What stands between two places is not looked at: rather one too many.
  return (
    segment.length > head.length + tail.length && segment.startsWith(head) && segment.endsWith(tail)
  );
}

/** May an identity of this template (places as `{claim}`, each within a segment) be what a role is given to? */
function mayMeet(template: string, wanted: string): boolean {
  const isBelow = wanted.endsWith('/*');
  const given = template.replaceAll(PLACE, '{}').split('/');
  const named = (isBelow ? wanted.slice(0, -2) : wanted).split('/');
  if (isBelow ? given.length <= named.length : given.length !== named.length) return false;
  return named.every((segment, index) => becomes(given[index] ?? '', segment));
}

/**
 * Whoever lets others have identities lets them be the machines that these are.
 * @param template `spiffe://domain/path`, with `{claim}` in places that others fill
 * @throws Problem 403 when one of them may do more than who gives it
 */
export function requireNoMore(
  holder: Holder,
  template: string,
  machines: readonly MachineRole[] = [],
): void {
  for (const { identity, role, namespaces } of machines) {
    if (!mayMeet(template, identity)) continue;
    const refusal = exceeds(holder, { role, ...(namespaces === undefined ? {} : { namespaces }) });
    if (refusal !== undefined)
      throw new Problem(403, 'forbidden', `${identity} is a machine of role ${role}: ${refusal}`);
  }
}
