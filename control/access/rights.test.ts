import { describe, expect, it } from 'vitest';
import type { Resource } from '../../src/model/api.ts';
import type { Holder, Role, Target, Verb } from './rights.ts';
import { exceeds, includesRole, refusalOf, targetOf } from './rights.ts';

const route: Target = { kind: 'networking.istio.io/VirtualService', namespace: 'a', name: 'x' };
const policy: Target = { kind: 'security.istio.io/AuthorizationPolicy', namespace: 'a' };
const secret: Target = { kind: 'core/Secret', namespace: 'a' };
const area = (kind: string): Target => ({ kind });

const ROLES: readonly Role[] = ['proxy', 'viewer', 'operator', 'editor', 'security-admin', 'admin'];

/** Who of ROLES may. */
const able = (verb: Verb, target: Target): string =>
  ROLES.filter((role) => refusalOf({ role }, verb, target) === undefined).join(' ');

const READERS = 'viewer operator editor security-admin admin';

describe('roles', () => {
  it.each<[Verb, Target, string]>([
    ['get', route, READERS],
    ['watch', policy, READERS],
    ['list', secret, READERS],
    ['create', route, 'editor admin'],
    ['update', route, 'editor admin'],
    ['delete', route, 'editor admin'],
    ['create', policy, 'security-admin admin'],
    ['update', secret, 'security-admin admin'],
    ['update', { ...route, isSensitive: true }, 'security-admin admin'],
    ['operate', area('proxies'), 'operator editor admin'],
    ['list', area('history'), READERS],
    ['list', area('audit'), 'security-admin admin'],
    ['list', area('tokens'), 'admin'],
    ['create', area('tokens'), 'admin'],
    ['create', area('join-tokens'), 'security-admin admin'],
    ['operate', area('authority'), 'security-admin admin'],
    ['delete', area('audit'), 'admin'],
  ])('%s %o: %s', (verb, target, roles) => {
    expect(able(verb, target)).toBe(roles);
  });

  it('say in a refusal what was wanted and who could', () => {
    expect(refusalOf({ role: 'viewer' }, 'update', route)).toBe(
      'role viewer may not update networking.istio.io/VirtualService a/x, want editor or admin',
    );
  });

  it('include those whose rights they have whole', () => {
    expect(includesRole('security-admin', 'editor')).toBe(false);
    expect(includesRole('editor', 'security-admin')).toBe(false);
    expect(includesRole('admin', 'security-admin')).toBe(true);
    expect(includesRole('admin', 'proxy')).toBe(false);
  });
});

describe('namespaces', () => {
  const holder: Holder = { role: 'admin', namespaces: ['a', 'b'] };
  it.each<[string, Target, boolean]>([
    ['its own', route, true],
    ['another', { ...route, namespace: 'c' }, false],
    ['a name that begins so', { ...route, namespace: 'ab' }, false],
    ['all of them', { kind: route.kind }, false],
    ['a kind without namespaces', { kind: 'gateway.networking.k8s.io/GatewayClass' }, false],
    ['tokens of the mesh', area('tokens'), false],
  ])('%s', (_what, target, isAllowed) => {
    expect(refusalOf(holder, 'get', target) === undefined).toBe(isAllowed);
  });

  it.each<[string, Holder, Holder, boolean]>([
    ['no more namespaces', holder, { role: 'viewer', namespaces: ['a'] }, true],
    ['one more namespace', holder, { role: 'viewer', namespaces: ['a', 'c'] }, false],
    ['all namespaces', holder, { role: 'viewer' }, false],
    ['a role that it includes', { role: 'admin' }, { role: 'editor' }, true],
    ['a role above', { role: 'editor' }, { role: 'admin' }, false],
    ['a role beside', { role: 'editor' }, { role: 'security-admin' }, false],
  ])('are handed out with %s: %o %o %s', (_what, holder, wanted, isAllowed) => {
    expect(exceeds(holder, wanted) === undefined).toBe(isAllowed);
  });
});

const resource = (group: string, kind: string, more: Partial<Resource> = {}): Resource => ({
  group,
  version: 'v1',
  kind,
  metadata: { name: 'x', namespace: 'a' },
  spec: {},
  ...more,
});

describe('content that is a matter of security', () => {
  const mesh = { metadata: { name: 'istio', namespace: 'istio-system' } };
  it.each<[string, Resource, Resource | undefined, boolean]>([
    ['the mesh settings', resource('', 'ConfigMap', mesh), undefined, true],
    ['another ConfigMap', resource('', 'ConfigMap', { data: { 'a.txt': '' } }), undefined, false],
    ['trust anchors', resource('', 'ConfigMap', { data: { 'ca.crt': '' } }), undefined, true],
    ['headers', resource('lateen.io', 'Policy', { spec: { headers: {} } }), undefined, false],
    ['access', resource('lateen.io', 'Policy', { spec: { access: {} } }), undefined, true],
    [
      'access that is taken away',
      resource('lateen.io', 'Policy', { spec: { headers: {} } }),
      resource('lateen.io', 'Policy', { spec: { access: {} } }),
      true,
    ],
    ['a part that is new', resource('lateen.io', 'Policy', { spec: { x: {} } }), undefined, true],
  ])('%s', (_what, is, was, expected) => {
    expect(targetOf(is, was).isSensitive).toBe(expected);
  });
});
