/** Endpoints of core Services that stand in EndpointSlices. */
import type { EndpointSliceSpec, Resource, WorkloadEntrySpec } from '../../model/api.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

type Slice = Resource<EndpointSliceSpec>;

const NONE: readonly Slice[] = [];

/** Ready unless it says otherwise; what is terminating takes no new requests. */
export function sliceEndpoints({ spec }: Slice): WorkloadEntrySpec[] {
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

/** Those of a Service, by namespace and name. */
export function indexSlices(
  slices: readonly Slice[],
): (namespace: string, service: string) => readonly Slice[] {
  const byService = Map.groupBy(
    slices,
    ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`,
  );
  return (namespace, service) => byService.get(`${namespace}/${service}`) ?? NONE;
}
