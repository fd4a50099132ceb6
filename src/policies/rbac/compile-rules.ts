/** Rules of an AuthorizationPolicy with every value resolved: aliases of trust domains, patterns, blocks. */
import { isPathTemplate } from '../../lib/path-template.ts';
import type {
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  Resource,
} from '../../model/api.ts';
import type { WorkloadPolicyInput } from '../../model/policy.ts';
import type { MeshSettings } from '../../model/snapshot.ts';
import type { Attribute, CompiledAuthorization, CompiledRule, Test, TextMatch } from './config.ts';

type Values = readonly string[] | undefined;

function textMatch(value: string, ignoreCase = false): TextMatch {
  const folded = ignoreCase ? { ignoreCase: true } : {};
  if (value === '*') return { kind: 'present' };
  if (value.startsWith('*')) return { kind: 'suffix', value: value.slice(1), ...folded };
  if (value.endsWith('*')) return { kind: 'prefix', value: value.slice(0, -1), ...folded };
  return { kind: 'exact', value, ...folded };
}

/** Istio splits at the last slash, so a prefix of an issuer that ends in a star never matches. */
function principalMatch(value: string): TextMatch {
  const slash = value.lastIndexOf('/');
  if (value === '*' || slash < 0) return textMatch(value);
  return {
    kind: 'pair',
    issuer: textMatch(value.slice(0, slash)),
    subject: textMatch(value.slice(slash + 1)),
  };
}

const pathMatch = (value: string): TextMatch =>
  isPathTemplate(value) ? { kind: 'template', value } : textMatch(value);
const hostMatch = (value: string): TextMatch => textMatch(value, true);
const globMatch = (value: string): TextMatch =>
  value === '*' ? { kind: 'present' } : { kind: 'glob', parts: value.split('*') };
const exactMatch = (value: string): TextMatch => ({ kind: 'exact', value });

const given = (values: Values): values is readonly string[] =>
  values !== undefined && values.length > 0;

function textTest(
  attribute: Attribute,
  pair: readonly [Values, Values],
  match: (value: string) => TextMatch = textMatch,
): Test[] {
  const [values, notValues] = pair;
  if (!given(values) && !given(notValues)) return [];
  return [
    {
      attribute,
      ...(given(values) ? { values: values.map((value) => match(value)) } : {}),
      ...(given(notValues) ? { notValues: notValues.map((value) => match(value)) } : {}),
    },
  ];
}

function blockTest(attribute: Attribute, blocks: Values, notBlocks: Values): Test[] {
  if (!given(blocks) && !given(notBlocks)) return [];
  return [
    { attribute, ...(given(blocks) ? { blocks } : {}), ...(given(notBlocks) ? { notBlocks } : {}) },
  ];
}

/** `cluster.local` and the mesh's own domain stand for the trust domain and all its aliases. */
function principals(values: Values, mesh: MeshSettings): Values {
  if (values === undefined) return undefined;
  const domains = [mesh.trustDomain, ...mesh.trustDomainAliases];
  return values.flatMap((value) => {
    const slash = value.indexOf('/');
    const domain = slash < 0 ? '' : value.slice(0, slash);
    // A pattern of fewer parts than a whole identity is taken as it is.
    if (value.split('/').length < 5 || (domain !== 'cluster.local' && !domains.includes(domain)))
      return [value];
    return [...new Set(domains)].map((name) => name + value.slice(slash));
  });
}

/** `name` is of the policy's namespace. */
function accounts(values: Values, namespace: string): Values {
  return values?.map((value) => (value.includes('/') ? value : `${namespace}/${value}`));
}

function compileSource(source: AuthorizationSource, mesh: MeshSettings, namespace: string): Test[] {
  return [
    ...textTest({ of: 'principal' }, [
      principals(source.principals, mesh),
      principals(source.notPrincipals, mesh),
    ]),
    ...textTest(
      { of: 'requestPrincipal' },
      [source.requestPrincipals, source.notRequestPrincipals],
      principalMatch,
    ),
    ...textTest({ of: 'namespace' }, [source.namespaces, source.notNamespaces], globMatch),
    ...textTest(
      { of: 'serviceAccount' },
      [accounts(source.serviceAccounts, namespace), accounts(source.notServiceAccounts, namespace)],
      exactMatch,
    ),
    ...textTest({ of: 'trustDomain' }, [source.trustDomains, source.notTrustDomains]),
    ...blockTest({ of: 'sourceIp' }, source.ipBlocks, source.notIpBlocks),
    ...blockTest({ of: 'remoteIp' }, source.remoteIpBlocks, source.notRemoteIpBlocks),
  ];
}

function compileOperation(operation: AuthorizationOperation): Test[] {
  return [
    ...textTest({ of: 'host' }, [operation.hosts, operation.notHosts], hostMatch),
    ...textTest({ of: 'port' }, [operation.ports, operation.notPorts], exactMatch),
    ...textTest({ of: 'method' }, [operation.methods, operation.notMethods]),
    ...textTest({ of: 'path' }, [operation.paths, operation.notPaths], pathMatch),
  ];
}

const PLAIN_KEYS: Readonly<Record<string, Attribute>> = {
  'source.principal': { of: 'principal' },
  'source.namespace': { of: 'namespace' },
  'source.serviceAccount': { of: 'serviceAccount' },
  'source.trustDomain': { of: 'trustDomain' },
  'request.auth.principal': { of: 'requestPrincipal' },
  'request.auth.audiences': { of: 'audience' },
  'request.auth.presenter': { of: 'presenter' },
  'destination.port': { of: 'port' },
  'connection.sni': { of: 'sni' },
};
const ADDRESS_KEYS: Readonly<Record<string, Attribute>> = {
  'source.ip': { of: 'sourceIp' },
  'remote.ip': { of: 'remoteIp' },
};

/** What a policy's text is read against. */
interface Surroundings {
  readonly mesh: MeshSettings;
  readonly namespace: string;
  /** Of the workload that the policy holds for. */
  readonly addresses: readonly string[];
}

function compileCondition(
  condition: NonNullable<AuthorizationRule['when']>[number],
  { mesh, namespace, addresses }: Surroundings,
): Test[] {
  const { key, values, notValues } = condition;
  if (key === 'destination.ip')
    return blockTest({ of: 'destinationIp', addresses }, values, notValues);
  const address = ADDRESS_KEYS[key];
  if (address !== undefined) return blockTest(address, values, notValues);
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (header !== undefined)
    return textTest({ of: 'header', name: header.toLowerCase() }, [values, notValues]);
  if (key.startsWith('request.auth.claims')) {
    const path = [...key.matchAll(/\[([^\][]+)\]/g)].map((match) => match[1] ?? '');
    return textTest({ of: 'claim', path }, [values, notValues]);
  }
  const plain = PLAIN_KEYS[key] ?? { of: 'unknown', key };
  if (plain.of === 'principal')
    return textTest(plain, [principals(values, mesh), principals(notValues, mesh)]);
  if (plain.of === 'requestPrincipal') return textTest(plain, [values, notValues], principalMatch);
  if (plain.of === 'namespace') return textTest(plain, [values, notValues], globMatch);
  if (plain.of === 'serviceAccount')
    return textTest(
      plain,
      [accounts(values, namespace), accounts(notValues, namespace)],
      exactMatch,
    );
  return textTest(plain, [values, notValues]);
}

function compileRule(rule: AuthorizationRule, around: Surroundings): CompiledRule {
  const { mesh, namespace } = around;
  return {
    sources: (rule.from ?? []).map(({ source }) => compileSource(source ?? {}, mesh, namespace)),
    operations: (rule.to ?? []).map(({ operation }) => compileOperation(operation ?? {})),
    conditions: (rule.when ?? []).flatMap((condition) => compileCondition(condition, around)),
  };
}

export function compileAuthorization(
  resource: Resource<AuthorizationPolicySpec>,
  { mesh, workloadAddresses }: WorkloadPolicyInput,
): CompiledAuthorization {
  const { metadata, spec } = resource;
  const { namespace } = metadata;
  const around = { mesh, namespace, addresses: workloadAddresses };
  return {
    name: `${metadata.namespace}/${metadata.name}`,
    rules: (spec.rules ?? []).map((rule) => compileRule(rule, around)),
    dryRun: /^(?:1|t|T|true|TRUE|True)$/.test(metadata.annotations?.['istio.io/dry-run'] ?? ''),
  };
}
