/** What filters of several slices say alike: to the client, and to who asks for an explanation. */
import type { LocalReply, TraceStep } from '../model/exchange.ts';
import type { RequestIdentity } from '../model/identity.ts';

const PLAIN = ['content-type', 'text/plain'] as const;

export function plainReply(
  status: number,
  body: string,
  details: string,
  headers: LocalReply['headers'] = [],
): LocalReply {
  return { status, body, headers: [PLAIN, ...headers], flag: '', details };
}

/** @param policy `namespace/name` of a Policy; `path` is the field that decided */
export function policyStep(
  policy: string,
  path: string,
  outcome: TraceStep['outcome'],
  detail: string,
): TraceStep {
  const origin = { resource: `Policy ${policy}`, path };
  return { step: 'policy', name: policy, outcome, detail, origin };
}

/** Of somebody whom a Policy itself knows by name. */
export function namedIdentity(issuer: string, name: string): RequestIdentity {
  return {
    principal: `${issuer}/${name}`,
    issuer,
    subject: name,
    audiences: [],
    claims: { iss: issuer, sub: name },
    spaceDelimitedClaims: [],
  };
}
