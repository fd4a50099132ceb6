/** IST0151, IST0152, IST0153, IST0155: patches of Envoy's configuration that do nothing, or do it where order decides. */
import type { Resource } from '../../model/api.ts';
import type { Analyser, Finding } from './mesh.ts';

interface Patch {
  readonly applyTo?: string;
  readonly match?: { readonly proxy?: { readonly proxyVersion?: string } };
  readonly patch?: { readonly operation?: string };
}

/** These mean something only beside what other filters have put there. */
const RELATIVE = new Set(['INSERT_BEFORE', 'INSERT_AFTER', 'REPLACE', 'MERGE']);
const REPLACEABLE = new Set(['HTTP_FILTER', 'NETWORK_FILTER', 'VIRTUAL_HOST', 'LISTENER_FILTER']);
const NOT_ADDED = new Set(['ROUTE_CONFIGURATION', 'HTTP_ROUTE']);

function finding(code: string, path: string, message: string): Finding {
  return { code, level: 'warning', path, message, remedy: 'change the operation, or set priority' };
}

function analysePatch(entry: Patch, path: string, isOrdered: boolean): Finding[] {
  const { applyTo = '', match, patch } = entry;
  const { operation = '' } = patch ?? {};
  if (operation === 'REPLACE' && !REPLACEABLE.has(applyTo))
    return [
      finding(
        'IST0152',
        path,
        `REPLACE does nothing to ${applyTo}: it is for filters and virtual hosts`,
      ),
    ];
  if (operation === 'ADD' && NOT_ADDED.has(applyTo))
    return [finding('IST0153', path, `ADD does nothing to ${applyTo}`)];
  if (operation === 'REMOVE' && NOT_ADDED.has(applyTo))
    return [finding('IST0154', path, `REMOVE does nothing to ${applyTo}`)];
  if (isOrdered || operation === 'MERGE' || !RELATIVE.has(operation)) return [];
  const versioned =
    match?.proxy?.proxyVersion === undefined
      ? []
      : [
          finding(
            'IST0155',
            path,
            `${operation} under a proxy version: what stands there differs from version to version`,
          ),
        ];
  return [
    finding(
      'IST0151',
      path,
      `${operation} without priority: the order of filters decides what it acts on`,
    ),
    ...versioned,
  ];
}

export const analyseEnvoyFilter: Analyser = (resource) => {
  const { spec } = resource as Resource<
    { readonly priority?: number; readonly configPatches?: readonly Patch[] } | undefined
  >;
  const isOrdered = (spec?.priority ?? 0) !== 0;
  return (spec?.configPatches ?? []).flatMap((patch, index) =>
    analysePatch(patch, `spec.configPatches[${index}]`, isOrdered),
  );
};
