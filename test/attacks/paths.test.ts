/** Confusing paths against a DENY and an ALLOW: what passes is what the backend sees, and never what is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PathNormalization } from '../../src/model/snapshot.ts';
import { ALLOWED, DENIED, MODES, fateIn } from './path-cases.ts';
import type { Fate, PathCase } from './path-cases.ts';
import { heads, nodePlane, purePlane, settings, workerdPlane } from './planes.ts';
import type { Outcome, Plane } from './planes.ts';

const POLICIES = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin}
spec: {action: DENY, rules: [{to: [{operation: {hosts: [deny.test], paths: [/admin, /admin/*]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: public}
spec:
  rules:
  - to: [{operation: {hosts: [deny.test]}}]
  - to: [{operation: {hosts: [allow.test], paths: [/public, /public/*]}}]
`;
const under = (mode: PathNormalization): string => `${settings(mode)}---\n${POLICIES}`;

const fateOf = ({ status, seen }: Outcome): Fate => seen?.target ?? status;

/** A backend takes dot segments, or its parameters, in its own way: what it may make of a path. */
const plain = (target: string): string =>
  (target.split(/[?#]/, 1)[0] ?? '').replaceAll(/;[^/]*/g, '');
const isAdmin = (path: string): boolean => path === '/admin' || path.startsWith('/admin/');
const isPublic = (path: string): boolean => path === '/public' || path.startsWith('/public/');

const TABLES = [
  ['DENY', 'deny.test', DENIED],
  ['ALLOW', 'allow.test', ALLOWED],
] as const;

function expectSafe(action: 'DENY' | 'ALLOW', { seen, status, body }: Outcome): void {
  if (seen === undefined) {
    expect(status).toBeGreaterThanOrEqual(400);
    if (status === 403) expect(body).toBe('RBAC: access denied');
    return;
  }
  expect(status).toBe(200);
  const path = plain(seen.target);
  if (action === 'DENY') expect(isAdmin(path)).toBe(false);
  else expect(isPublic(path)).toBe(true);
}

/** Platforms answer some targets before anybody decides, and a Worker's URL is a parsed one. */
const isSameAsUrl = (target: string): boolean => {
  const url = URL.canParse(target, 'http://x.test') ? new URL(target, 'http://x.test') : undefined;
  return url !== undefined && target.startsWith('/') && url.pathname + url.search === target;
};

const exact = ['list', 'http1 bytes', 'http2 fields'] as const;
/** HTTP/2 has no absolute form, and a list takes whatever stands there. */
const hasAbsoluteForm = (name: string): boolean => name === 'http1 bytes';
const isOriginForm = (target: string): boolean => target.startsWith('/');

describe.each(TABLES)('%s on the engine', (action, host, cases) => {
  const planes = Object.keys(heads).map((name) => [
    name,
    MODES.map((mode) => [mode, purePlane(name, under(mode))] as const),
  ]) as [string, (readonly [PathNormalization, Plane])[]][];

  it.each(cases.map((one) => [one[0], one[1], one] as const))('%s: %s', async (_, target, one) => {
    for (const [name, byMode] of planes)
      for (const [mode, plane] of byMode) {
        const outcome = await plane.ask({ target, host });
        expectSafe(action, outcome);
        const isKnown = (exact as readonly string[]).includes(name);
        if (isKnown && (isOriginForm(target) || hasAbsoluteForm(name)))
          expect([name, mode, fateOf(outcome)]).toEqual([name, mode, fateIn(one, mode)]);
      }
  });
});

/** A refusal may be the platform's own; a path must be the one in the table. */
const expectsPath = (one: PathCase, mode: PathNormalization): boolean =>
  typeof fateIn(one, mode) === 'string';

type Start = (policies: string) => Promise<Plane>;
/** Whether what becomes of it must be what the table says, besides being safe. */
type Knows = (one: PathCase, mode: PathNormalization) => boolean;

describe.each<readonly [string, Start, Knows]>([
  ['over sockets of the Node adapter', nodePlane, () => true],
  [
    'through a gateway worker',
    workerdPlane,
    (one, mode) => isSameAsUrl(one[1]) && expectsPath(one, mode),
  ],
])('%s', (_name, start, knows) => {
  let planes: readonly Plane[] = [];
  beforeAll(async () => {
    planes = await Promise.all(MODES.map((mode) => start(under(mode))));
  });
  afterAll(async () => {
    await Promise.all(planes.map((plane) => plane.close()));
  });

  describe.each(TABLES)('%s', (action, host, cases) => {
    it.each(cases.map((one) => [one[0], one[1], one] as const))(
      '%s: %s',
      async (_, target, one) => {
        for (const [index, plane] of planes.entries()) {
          const mode = MODES[index] ?? 'BASE';
          const outcome = await plane.ask({ target, host });
          expectSafe(action, outcome);
          if (knows(one, mode)) expect([mode, fateOf(outcome)]).toEqual([mode, fateIn(one, mode)]);
        }
      },
    );
  });
});
