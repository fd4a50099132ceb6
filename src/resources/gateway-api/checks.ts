/** Rules of the Gateway API's CRDs that look at more than one value (their CEL rules, as code). */
import type { BackendRef, ParentRef } from '../../model/api.ts';
import type { Faults } from '../define.ts';

/** Entries of a list that is a map by name. */
export function checkUniqueNames(
  entries: readonly { readonly name?: string }[] | undefined,
  path: string,
  faults: Faults,
): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (entries ?? []).entries()) {
    if (name === undefined) continue;
    if (seen.has(name)) faults.error(`${path}[${index}]`, `${name} stands twice, want it once`);
    seen.add(name);
  }
}

export function checkUnique(
  values: readonly string[] | undefined,
  path: string,
  faults: Faults,
): void {
  for (const [index, value] of (values ?? []).entries())
    if (values?.indexOf(value) !== index)
      faults.error(`${path}[${index}]`, `${value} stands twice, want it once`);
}

/** Two references to one parent need sections or ports that differ. */
export function checkParentRefs(refs: readonly ParentRef[] | undefined, faults: Faults): void {
  const groups = Map.groupBy(refs ?? [], ({ group = '', kind = '', namespace = '', name }) =>
    [group, kind, namespace, name].join('|'),
  );
  for (const [, same] of groups) {
    if (same.length < 2) continue;
    const name = same[0]?.name ?? '';
    const keys = same.map(({ sectionName = '', port = 0 }) => `${sectionName}|${port}`);
    if (keys.includes('|0'))
      faults.error(
        'spec.parentRefs',
        `${name} is named ${same.length} times: each of them needs a sectionName or a port`,
      );
    else if (new Set(keys).size < keys.length)
      faults.error(
        'spec.parentRefs',
        `${name} is named twice with the same sectionName and port, want them unique`,
      );
  }
}

export function checkBackendRef(ref: BackendRef, path: string, faults: Faults): void {
  const { group = '', kind = 'Service', port } = ref;
  if (group === '' && kind === 'Service' && port === undefined)
    faults.error(
      path,
      `Service ${ref.name} is named without a port, want one`,
      'write port: and its number',
    );
}

export function checkRuleNames(
  rules: readonly { readonly name?: string }[] | undefined,
  faults: Faults,
): void {
  const names = (rules ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    faults.error('spec.rules', `the rule name ${twice} stands twice, want names unique in a route`);
}
