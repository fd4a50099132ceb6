import { z } from 'zod';
import type { Labels, TargetRef } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkRegex, checkTargets } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { anyMap, integer, labels, targetRef, text } from '../fields.ts';

type Fields = Readonly<Record<string, unknown>>;

interface FilterMatch {
  readonly name?: string;
  readonly subFilter?: { readonly name?: string };
}

interface PatchMatch {
  readonly proxy?: { readonly proxyVersion?: string };
  readonly listener?: { readonly filterChain?: { readonly filter?: FilterMatch } };
  readonly routeConfiguration?: Fields;
  readonly cluster?: Fields;
  readonly waypoint?: Fields;
}

interface ConfigPatch {
  readonly applyTo?: string;
  readonly match?: PatchMatch;
  readonly patch?: { readonly operation?: string; readonly value?: Fields };
}

interface EnvoyFilterSpec {
  readonly workloadSelector?: { readonly labels?: Labels };
  readonly targetRefs?: readonly TargetRef[];
  readonly configPatches?: readonly ConfigPatch[];
}

const APPLY_TO = [
  'INVALID',
  'LISTENER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'ROUTE_CONFIGURATION',
  'VIRTUAL_HOST',
  'HTTP_ROUTE',
  'CLUSTER',
  'EXTENSION_CONFIG',
  'BOOTSTRAP',
  'LISTENER_FILTER',
] as const;
const OPERATIONS = [
  'INVALID',
  'MERGE',
  'ADD',
  'REMOVE',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
  'REPLACE',
  'MERGE_AND_REPLACE_LIST',
] as const;

const spec = z.strictObject({
  workloadSelector: z.strictObject({ labels: labels.optional() }).optional(),
  targetRefs: z.array(targetRef).max(16, { error: 'targetRefs takes at most 16' }).optional(),
  priority: integer.optional(),
  configPatches: z
    .array(
      z.strictObject({
        applyTo: z.enum(APPLY_TO).optional(),
        match: z
          .strictObject({
            context: z
              .enum(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'])
              .optional(),
            proxy: z
              .strictObject({ proxyVersion: text.optional(), metadata: labels.optional() })
              .optional(),
            listener: anyMap.optional(),
            routeConfiguration: anyMap.optional(),
            cluster: anyMap.optional(),
            waypoint: anyMap.optional(),
          })
          .optional(),
        patch: z
          .strictObject({
            operation: z.enum(OPERATIONS).optional(),
            value: anyMap.optional(),
            filterClass: z.enum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']).optional(),
          })
          .optional(),
      }),
    )
    .optional(),
});

type MatchClass = 'listener' | 'routeConfiguration' | 'cluster';

/** Which part of a match goes with what is patched. */
const CLASSES: Readonly<Record<string, MatchClass>> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  LISTENER_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
};
const CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';

function checkFilter(
  filter: FilterMatch,
  path: string,
  around: { applyTo: string; faults: Faults },
): void {
  const { subFilter } = filter;
  const { applyTo, faults } = around;
  if (subFilter === undefined) return;
  if (applyTo !== 'HTTP_FILTER')
    faults.error(`${path}.subFilter`, `a subfilter match is for HTTP_FILTER, not ${applyTo}`);
  else if (filter.name !== CONNECTION_MANAGER && filter.name !== 'http_connection_manager')
    faults.error(`${path}.name`, `a sub filter lies in ${CONNECTION_MANAGER}`);
  if ((subFilter.name ?? '') === '' && applyTo === 'HTTP_FILTER')
    faults.error(`${path}.subFilter.name`, 'a sub filter match needs a name');
}

function checkMatch(
  match: PatchMatch,
  path: string,
  around: { applyTo: string; faults: Faults },
): void {
  const { applyTo, faults } = around;
  const version = match.proxy?.proxyVersion;
  if (version !== undefined && version !== '')
    checkRegex(version, `${path}.proxy.proxyVersion`, faults);
  const wanted = CLASSES[applyTo];
  const given = (['listener', 'routeConfiguration', 'cluster'] as const).filter(
    (part) => match[part] !== undefined,
  );
  for (const part of given)
    if (wanted !== undefined && part !== wanted)
      faults.error(path, `a patch of ${applyTo} takes a ${wanted} match, not ${part}`);
  const filter = match.listener?.filterChain?.filter;
  if (filter !== undefined) checkFilter(filter, `${path}.listener.filterChain.filter`, around);
}

function checkPatch(
  { applyTo = 'INVALID', match, patch }: ConfigPatch,
  path: string,
  faults: Faults,
): void {
  if (applyTo === 'INVALID') faults.error(`${path}.applyTo`, 'applyTo says what is patched');
  const { operation = 'INVALID', value } = patch ?? {};
  if (operation === 'INVALID')
    faults.error(`${path}.patch.operation`, 'a patch needs an operation');
  else if (operation !== 'REMOVE' && value === undefined)
    faults.error(`${path}.patch.value`, `operation ${operation} needs a value`);
  // Every object of Envoy that may be patched names itself by text.
  if (value?.['name'] !== undefined && typeof value['name'] !== 'string')
    faults.error(`${path}.patch.value`, 'the value does not fit: its name is no text');
  if (match !== undefined) checkMatch(match, `${path}.match`, { applyTo, faults });
}

export const envoyFilter: ResourceKind = defineKind<EnvoyFilterSpec | undefined>({
  group: 'networking.istio.io',
  kind: 'EnvoyFilter',
  versions: ['v1alpha3'],
  plural: 'envoyfilters',
  spec,
  optionalSpec: true,
  unenforced: 'there is no Envoy whose configuration it could patch',
  validate(filter) {
    const faults = new Faults();
    const { workloadSelector, targetRefs = [], configPatches = [] } = filter ?? {};
    checkTargets(
      {
        targetRefs,
        ...(workloadSelector === undefined
          ? {}
          : { selector: { matchLabels: workloadSelector.labels ?? {} } }),
      },
      faults,
    );
    if (configPatches.length > 0)
      faults.warn(
        'spec.configPatches',
        "patches of Envoy's own configuration: its next version may not have what they name",
      );
    for (const [index, patch] of configPatches.entries())
      checkPatch(patch, `spec.configPatches[${index}]`, faults);
    return faults.list;
  },
});
