import { z } from 'zod';
import { PROFILE } from '../../credential/names.ts';
import { parseDuration } from '../../lib/duration.ts';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

export interface CredentialPart {
  readonly profile?: string;
  readonly clockSkew?: string;
  readonly bodyDigest?: 'OPTIONAL' | 'REQUIRED';
  readonly required?: boolean;
}

const MAX_SKEW_MS = 300_000;

const schema = z.strictObject({
  profile: z.enum([PROFILE]).optional(),
  clockSkew: z.string().optional(),
  bodyDigest: z.enum(['OPTIONAL', 'REQUIRED']).optional(),
  required: z.boolean().optional(),
});

function check(given: unknown, report: ReportFault): void {
  const { clockSkew } = given as CredentialPart;
  if (clockSkew === undefined) return;
  const ms = parseDuration(clockSkew);
  if (ms === undefined || ms < 0 || ms > MAX_SKEW_MS)
    report(
      'clockSkew',
      `${JSON.stringify(clockSkew)} is no clock skew, want a duration from 0s to 5m`,
    );
}

const NOTES = `It runs in phase peer, before every other policy: what it finds is the caller's principal for them, as a certificate's identity is. It holds wherever the mesh keeps an authority, with these defaults and without any Policy;
a Policy changes them for the proxies of its selector, its namespace or the mesh (\`targetRefs\` are refused: who calls is known before what for).

- A call shows both headers, \`Workload-Identity-Token\` and \`Workload-Proof-Token\`, or neither. Both are taken off whatever becomes of it. Without them the caller has no principal of this kind.
- [Edge identity](../edge-identity.md) says what the tokens hold and what each is held against.
- **required** asks for a principal, whatever proved it: a credential, a client certificate of the mesh, or the binding of another worker. A connection that isn't HTTP shows no credential: it needs one of the others, or is closed.
- **bodyDigest** REQUIRED refuses proofs that don't bind the body. A body that is bound is held in memory to be compared, up to 1 MiB.`;

const REFUSED = 'mesh credential refused';

export const credentialPart: PolicyPart<z.ZodType> = {
  key: 'credential',
  summary: 'Verifies the signed credentials of callers whom no mutual TLS shows.',
  isOfWorkload: true,
  schema,
  check,
  fields: [
    {
      path: 'profile',
      type: `\`${PROFILE}\``,
      meaning: 'the form of tokens and proofs that is taken',
      default: PROFILE,
    },
    {
      path: 'clockSkew',
      type: 'duration, at most 5m',
      meaning: 'difference between clocks that is let pass',
      default: '60s',
    },
    {
      path: 'bodyDigest',
      type: '`OPTIONAL` or `REQUIRED`',
      meaning: 'whether proofs must bind the body; one that does is always held to it',
      default: 'OPTIONAL',
    },
    {
      path: 'required',
      type: 'boolean',
      meaning: 'callers without any principal are refused',
      default: 'false',
    },
  ],
  notes: NOTES,
  refusals: [
    {
      when: 'a credential that is not whole or does not hold',
      status: 401,
      body: REFUSED,
      details: 'mesh_credential{reason}',
    },
    {
      when: 'nobody is proven, and `required` is set',
      status: 401,
      body: REFUSED,
      details: 'mesh_credential{required}',
    },
    {
      when: 'a body that is bound and larger than 1 MiB',
      status: 413,
      body: 'payload too large',
      details: 'mesh_credential{body_too_large}',
    },
    {
      when: 'more proofs are under way than can be remembered',
      status: 503,
      body: 'too many proofs',
      details: 'mesh_credential{replay_cache_full}',
    },
  ],
  example: `clockSkew: 30s
bodyDigest: REQUIRED
required: true
`,
};
