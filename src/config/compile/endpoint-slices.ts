/** Endpoints of core Services that stand in EndpointSlices. */
import type { EndpointSliceSpec, Resource, WorkloadEntrySpec } from '../../model/api.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Ready ones of a Service, by namespace and name. */
export type SliceIndex = (namespace: string, service: string) => readonly WorkloadEntrySpec[];

/** Ready unless it says otherwise; what is terminating takes no new requests. */
function endpointsOf({ spec }: Resource<EndpointSliceSpec>): WorkloadEntrySpec[] {
  const ports = Object.fromEntries(
    (spec.ports ?? []).flatMap(({ name = '', port }) => (port === undefined ? [] : [[name, port]])),
  ) as Readonly<Record<string, number>>;
  return (spec.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses = [], zone }) =>
      addresses.map((address) => ({
        address,
        ports,
        ...(zone === undefined ? {} : { locality: zone }),
      })),
    );
}

export function indexSlices(slices: readonly Resource<EndpointSliceSpec>[]): SliceIndex {
  const byService = Map.groupBy(
    slices,
    ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`,
  );
  return (namespace, service) =>
    (byService.get(`${namespace}/${service}`) ?? []).flatMap((slice) => endpointsOf(slice));
}
