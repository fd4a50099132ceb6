import { expect, it } from 'vitest';
import type { LocalReply, PolicyMarks } from '../model/exchange.ts';
import { AuthorizationCounters } from './authorization-counters.ts';
import type { EngineExchange } from './exchange.ts';

interface Given {
  readonly by?: string;
  readonly rule?: number;
  readonly details?: string;
  readonly marks?: PolicyMarks;
}

const exchange = ({ by = '', rule, details, marks }: Given): EngineExchange =>
  ({
    decidedBy: by,
    ...(rule === undefined ? {} : { decidedRule: rule }),
    ...(marks === undefined ? {} : { marks }),
    reply: details === undefined ? undefined : ({ details } as LocalReply),
  }) as EngineExchange;

const RBAC = 'rbac_access_denied_matched_policy';

it('counts decisions by policy, shadow results by rule, and answers by provider', () => {
  const counters = new AuthorizationCounters();
  const shadowDeny = { result: 'denied', policyId: 'ns[a]-policy[b]-rule[0]' } as const;
  const given: Given[] = [
    { by: 'a/yes', rule: 0 },
    { by: 'a/yes', rule: 1, details: 'route_not_found' },
    { by: 'a/no', rule: 0, details: `${RBAC}[ns[a]-policy[no]-rule[0]]` },
    { details: `${RBAC}[none]` },
    {
      by: 'a/ask',
      rule: 0,
      details: 'ext_authz_denied',
      marks: { asked: [{ provider: 'p', result: 'denied' }] },
    },
    { marks: { shadowDeny, shadowAllow: { result: 'allowed' } } },
    {
      marks: {
        shadowDeny,
        asked: [
          { provider: 'p', result: 'ok' },
          { provider: 'q', result: 'ok' },
        ],
      },
    },
    {},
  ];
  for (const one of given) {
    const x = exchange(one);
    if (AuthorizationCounters.concerns(x)) counters.add(x);
  }
  expect(counters.view()).toEqual({
    allowed: { 'a/yes': 2 },
    denied: { 'a/no': 1, '': 1 },
    shadow: [
      { action: 'DENY', result: 'denied', policyId: shadowDeny.policyId, count: 2 },
      { action: 'ALLOW', result: 'allowed', policyId: '', count: 1 },
    ],
    asked: { p: { denied: 1, ok: 1 }, q: { ok: 1 } },
  });
});

it('is about requests that a policy had a say in', () => {
  expect(AuthorizationCounters.concerns(exchange({}))).toBe(false);
  expect(
    AuthorizationCounters.concerns(exchange({ by: 'a/body', details: 'payload_too_large' })),
  ).toBe(false);
  expect(AuthorizationCounters.concerns(exchange({ details: `${RBAC}[none]` }))).toBe(true);
});

it('holds so many names and no more', () => {
  const counters = new AuthorizationCounters();
  for (let i = 0; i < 3000; i++) {
    const shadowDeny = { result: 'denied', policyId: `p${i}` } as const;
    counters.add(exchange({ by: `a/p${i}`, rule: 0, marks: { shadowDeny } }));
  }
  const { allowed, shadow } = counters.view();
  expect(Object.keys(allowed)).toHaveLength(1025);
  expect(allowed['other']).toBe(3000 - 1024);
  expect(shadow).toHaveLength(1025);
  expect(shadow.find(({ policyId }) => policyId === 'other')?.count).toBe(3000 - 1024);
});
