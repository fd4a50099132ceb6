/** EndpointSlice: its body stands beside the metadata instead of under spec. */
import { z } from 'zod';
import type { Fault, ResourceKind } from '../../model/config.ts';
import { issueFaults, withSchema } from '../define.ts';
import { anyMap, flag, integer, text, texts } from '../fields.ts';

const endpoint = z.strictObject({
  addresses: texts,
  conditions: z
    .strictObject({
      ready: flag.optional(),
      serving: flag.optional(),
      terminating: flag.optional(),
    })
    .optional(),
  hostname: text.optional(),
  nodeName: text.optional(),
  targetRef: anyMap.optional(),
  zone: text.optional(),
  hints: anyMap.optional(),
  deprecatedTopology: anyMap.optional(),
});

const schema = z.strictObject({
  apiVersion: text,
  kind: text,
  metadata: z.unknown(),
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z.array(endpoint).optional(),
  ports: z
    .array(
      z.strictObject({
        name: text.optional(),
        port: integer.optional(),
        protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
        appProtocol: text.optional(),
      }),
    )
    .optional(),
});

export const endpointSlice: ResourceKind = withSchema(
  {
    group: 'discovery.k8s.io',
    kind: 'EndpointSlice',
    versions: ['v1'],
    plural: 'endpointslices',
    check(document): readonly Fault[] {
      const result = schema.safeParse(document);
      return result.success
        ? []
        : result.error.issues.flatMap((issue) => issueFaults(issue, schema, document));
    },
  },
  schema,
);
