import { z } from 'zod';
import { parseCidr } from '../../lib/cidr.ts';
import { isPathTemplate, pathTemplateFault } from '../../lib/path-template.ts';
import type {
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  Resource,
} from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkDryRun, checkTargets } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { labelSelector, targetRef, text, texts } from '../fields.ts';

const list = (names: readonly string[]): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      names.flatMap((name) => [
        [name, texts.optional()],
        [`not${name[0]?.toUpperCase()}${name.slice(1)}`, texts.optional()],
      ]),
    ),
  );

const source = list([
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'ipBlocks',
  'remoteIpBlocks',
  'trustDomains',
]);
const operation = list(['hosts', 'ports', 'methods', 'paths']);

const spec = z.strictObject({
  selector: labelSelector.optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).max(16, { error: 'targetRefs takes at most 16' }).optional(),
  action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).optional(),
  provider: z.strictObject({ name: text.optional() }).optional(),
  rules: z
    .array(
      z.strictObject({
        from: z
          .array(z.strictObject({ source: source.optional() }))
          .max(512, { error: 'from takes at most 512' })
          .optional(),
        to: z.array(z.strictObject({ operation: operation.optional() })).optional(),
        when: z
          .array(
            z.strictObject({ key: text, values: texts.optional(), notValues: texts.optional() }),
          )
          .optional(),
      }),
    )
    .max(512, { error: 'rules takes at most 512' })
    .optional(),
});

const KEYS = new Set([
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.serviceAccount',
  'source.trustDomain',
  'source.principal',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
]);
/** Istio runs CUSTOM before JWT and looks at no peer identity there. */
const NOT_IN_CUSTOM_SOURCE = [
  'principals',
  'requestPrincipals',
  'namespaces',
  'serviceAccounts',
  'trustDomains',
] as const;
const isGiven = (values: readonly string[] | undefined): boolean => (values?.length ?? 0) > 0;

function checkIps(values: readonly string[] | undefined, path: string, faults: Faults): void {
  for (const [index, value] of (values ?? []).entries())
    if (parseCidr(value) === undefined)
      faults.error(`${path}[${index}]`, `${JSON.stringify(value)} is no IP address or CIDR block`);
}

function checkPorts(values: readonly string[] | undefined, path: string, faults: Faults): void {
  for (const [index, value] of (values ?? []).entries())
    if (!/^\d{1,5}$/.test(value) || Number(value) < 1 || Number(value) > 65_535)
      faults.error(
        `${path}[${index}]`,
        `port ${JSON.stringify(value)} is out of range, want 1 to 65535`,
      );
}

function checkEmptyValues(
  fields: Readonly<Record<string, readonly string[] | undefined>>,
  path: string,
  faults: Faults,
): void {
  for (const [name, values] of Object.entries(fields))
    for (const [index, value] of (values ?? []).entries())
      if (value === '') faults.error(`${path}.${name}[${index}]`, 'a value is empty');
}

function checkSource(given: AuthorizationSource | undefined, path: string, context: Context): void {
  const { faults } = context;
  if (
    given === undefined ||
    !Object.values(given).some((values: readonly string[] | undefined) => isGiven(values))
  ) {
    faults.error(path, 'source is empty, want at least one field');
    return;
  }
  checkEmptyValues(given as Readonly<Record<string, readonly string[]>>, path, faults);
  for (const name of ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const)
    checkIps(given[name], `${path}.${name}`, faults);
  const accounts = [...(given.serviceAccounts ?? []), ...(given.notServiceAccounts ?? [])];
  if (accounts.length > 0) {
    if (
      [given.principals, given.notPrincipals, given.namespaces, given.notNamespaces].some(
        (values) => isGiven(values),
      )
    )
      faults.error(path, 'serviceAccounts can not stand beside principals or namespaces');
    if (accounts.length > 16) faults.error(path, 'serviceAccounts takes at most 16');
    for (const account of accounts)
      if (account.includes('*') || account.split('/').length > 2)
        faults.error(
          path,
          `serviceAccounts entry ${account} must be name or namespace/name, without wildcard`,
        );
  }
  if (!context.isCustom) return;
  for (const name of NOT_IN_CUSTOM_SOURCE)
    for (const field of [
      name,
      `not${name[0]?.toUpperCase()}${name.slice(1)}`,
    ] as (keyof AuthorizationSource)[])
      if (isGiven(given[field]))
        faults.error(`${path}.${field}`, `${field} can not be used with action CUSTOM`);
}

interface Context {
  readonly faults: Faults;
  readonly isCustom: boolean;
}

function checkOperation(
  given: AuthorizationOperation | undefined,
  path: string,
  faults: Faults,
): void {
  if (
    given === undefined ||
    !Object.values(given).some((values: readonly string[] | undefined) => isGiven(values))
  ) {
    faults.error(path, 'operation is empty, want at least one field');
    return;
  }
  checkEmptyValues(given as Readonly<Record<string, readonly string[]>>, path, faults);
  checkPorts(given.ports, `${path}.ports`, faults);
  checkPorts(given.notPorts, `${path}.notPorts`, faults);
  for (const name of ['paths', 'notPaths'] as const)
    for (const [index, value] of (given[name] ?? []).entries()) {
      const braced = /[{}]/.test(value);
      const fault = braced ? pathTemplateFault(value) : undefined;
      if (braced && (fault !== undefined || !isPathTemplate(value)))
        faults.error(
          `${path}.${name}[${index}]`,
          `paths entry ${value} is no path template: ${fault ?? 'want {*} or {**}'}`,
        );
    }
}

function checkWhen(rule: AuthorizationRule, path: string, context: Context): void {
  const { faults, isCustom } = context;
  for (const [index, { key, values, notValues }] of (rule.when ?? []).entries()) {
    const at = `${path}.when[${index}]`;
    if (key === '') faults.error(`${at}.key`, 'key is empty');
    else if (!isKey(key)) faults.error(`${at}.key`, `key ${key} is not known`);
    else if (
      isCustom &&
      (key.startsWith('request.auth.') ||
        /^source\.(?:namespace|principal|serviceAccount|trustDomain)$/.test(key))
    )
      faults.error(`${at}.key`, `key ${key} can not be used with action CUSTOM`);
    if (!isGiven(values) && !isGiven(notValues))
      faults.error(at, `condition ${key} needs values or notValues`);
    for (const [field, entries] of [
      ['values', values],
      ['notValues', notValues],
    ] as const) {
      if (key === 'destination.port') checkPorts(entries, `${at}.${field}`, faults);
      if (/^(?:source|remote|destination)\.ip$/.test(key))
        checkIps(entries, `${at}.${field}`, faults);
    }
  }
}

function isKey(key: string): boolean {
  if (KEYS.has(key)) return true;
  if (/^request\.headers\[[^\][]+\]$/.test(key)) return true;
  if (/^request\.auth\.claims(?:\[[^\][]+\])+$/.test(key)) return true;
  return /^experimental\.envoy\.filters\.[^[\]]+\[[^\][]+\]$/.test(key);
}

/** Such a rule can't be judged on a TCP port: there the DENY would widen to all of it. */
function isHttpOnly({ from = [], to = [], when = [] }: AuthorizationRule): boolean {
  if (from.length > 0 || when.length > 0 || to.length === 0) return false;
  return to.every(
    ({ operation }) => operation?.ports === undefined && operation?.notPorts === undefined,
  );
}

function validate(policy: AuthorizationPolicySpec, resource: Resource): Faults['list'] {
  const faults = new Faults();
  const action = policy.action ?? 'ALLOW';
  checkDryRun(resource.metadata.annotations, faults, action !== 'CUSTOM');
  checkTargets(policy, faults);
  if (action === 'CUSTOM' && policy.provider === undefined)
    faults.error('spec.provider', 'action CUSTOM needs a provider');
  if (action !== 'CUSTOM' && policy.provider !== undefined)
    faults.error('spec.provider', 'provider is for action CUSTOM only');
  if ((action === 'CUSTOM' || action === 'DENY') && policy.rules === undefined)
    faults.error('spec.rules', `action ${action} without rules would never match`);
  const context = { faults, isCustom: action === 'CUSTOM' };
  for (const [index, rule] of (policy.rules ?? []).entries()) {
    const path = `spec.rules[${index}]`;
    for (const [i, from] of (rule.from ?? []).entries())
      checkSource(from.source, `${path}.from[${i}].source`, context);
    for (const [i, to] of (rule.to ?? []).entries())
      checkOperation(to.operation, `${path}.to[${i}].operation`, faults);
    checkWhen(rule, path, context);
    if (action === 'DENY' && isHttpOnly(rule))
      faults.warn(path, 'a DENY on HTTP attributes alone denies all of a TCP port: add ports');
  }
  return faults.list;
}

export const authorizationPolicy: ResourceKind = defineKind<AuthorizationPolicySpec>({
  group: 'security.istio.io',
  kind: 'AuthorizationPolicy',
  versions: ['v1', 'v1beta1'],
  plural: 'authorizationpolicies',
  spec,
  optionalSpec: true,
  validate,
});
