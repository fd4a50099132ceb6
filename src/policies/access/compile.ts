import type { PolicyCompiler } from '../../model/policy.ts';
import type { AccessConfig, AccessRule, HeaderWish, PathWish } from './config.ts';
import type { AccessHeader, AccessPart, AccessPartRule, AccessPath } from './schema.ts';

function pathWish({ exact, prefix, suffix }: AccessPath): PathWish {
  if (exact !== undefined) return { kind: 'exact', value: exact };
  if (prefix !== undefined) return { kind: 'segment-prefix', value: prefix.replace(/\/$/, '') };
  return { kind: 'suffix', value: suffix ?? '' };
}

function headerWish(given: AccessHeader): HeaderWish {
  const name = given.name.toLowerCase();
  if (given.exact !== undefined) return { name, kind: 'exact', value: given.exact };
  if (given.prefix !== undefined) return { name, kind: 'prefix', value: given.prefix };
  return { name, kind: given.present === false ? 'absent' : 'present', value: '' };
}

function compileRule({ cidrs, countries, hosts, paths, headers }: AccessPartRule): AccessRule {
  return {
    ...(cidrs === undefined ? {} : { cidrs }),
    ...(countries === undefined ? {} : { countries }),
    ...(hosts === undefined ? {} : { hosts: hosts.map((host) => host.toLowerCase()) }),
    ...(paths === undefined ? {} : { paths: paths.map((path) => pathWish(path)) }),
    ...(headers === undefined ? {} : { headers: headers.map((header) => headerWish(header)) }),
  };
}

export const accessCompiler: PolicyCompiler = {
  kind: 'access',
  phase: 'authz',
  compilePart(part, { policy }) {
    const { deny = [], allow } = part as AccessPart;
    const config: AccessConfig = {
      policy,
      deny: deny.map((rule) => compileRule(rule)),
      ...(allow === undefined ? {} : { allow: allow.map((rule) => compileRule(rule)) }),
    };
    return { kind: 'access', config };
  },
};
