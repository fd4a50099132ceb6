/** Schema parts that the kinds of the Gateway API share. */
import { z } from 'zod';

const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const HOSTNAME = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const KIND = /^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;
/** GEP-2257: up to four numbers of at most five digits, each with its unit. */
const DURATION = /^(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}$/;

/** Text of a bounded length that a pattern describes; `want` says it in words. */
export function word(pattern: RegExp, max: number, want: string): z.ZodType<string> {
  return z
    .string()
    .refine((value) => value.length >= 1 && value.length <= max && pattern.test(value), {
      error: (issue) =>
        `${JSON.stringify(issue.input)} is no ${want} of 1 to ${max} characters (${issue.path?.map(String).findLast((step) => !/^\d+$/.test(step)) ?? 'value'})`,
    });
}

export const objectName: z.ZodType<string> = word(SUBDOMAIN, 253, 'name of an object');
export const sectionName: z.ZodType<string> = word(SUBDOMAIN, 253, 'name of a section');
export const namespaceName: z.ZodType<string> = word(LABEL, 63, 'namespace');
export const kindName: z.ZodType<string> = word(KIND, 63, 'kind');
export const hostname: z.ZodType<string> = word(
  HOSTNAME,
  253,
  'hostname in lower case, without port, perhaps behind *.',
);
export const preciseHostname: z.ZodType<string> = word(
  SUBDOMAIN,
  253,
  'hostname in lower case, without port and *',
);
export const headerName: z.ZodType<string> = word(HEADER_NAME, 256, 'header name');

/** '' is the core group. */
export const groupName: z.ZodType<string> = z
  .string()
  .refine((value) => value === '' || (value.length <= 253 && SUBDOMAIN.test(value)), {
    error: (issue) => `${JSON.stringify(issue.input)} is no API group (group)`,
  });

export const portNumber: z.ZodType<number> = z
  .int()
  .refine((value) => value >= 1 && value <= 65_535, {
    error: 'port is out of range, want 1 to 65535',
  });

export function between(min: number, max: number): z.ZodType<number> {
  return z.int().refine((value) => value >= min && value <= max, {
    error: `out of range, want ${min} to ${max}`,
  });
}

export const duration: z.ZodType<string> = z.string().refine((value) => DURATION.test(value), {
  error: 'no duration, want up to four numbers of at most five digits with h, m, s or ms, as 1m30s',
});

/** A list of bounded length. */
export function listOf<Entry extends z.ZodType>(
  entry: Entry,
  max: number,
  min = 0,
): z.ZodType<z.infer<Entry>[]> {
  return z.array(entry).refine((list) => list.length >= min && list.length <= max, {
    error: (issue) => {
      const name = issue.path?.map(String).findLast((step) => !/^\d+$/.test(step)) ?? 'list';
      const { length } = issue.input as readonly unknown[];
      return `${name} has ${length} entries, want ${min} to ${max}`;
    },
  });
}

/** A map of bounded size. */
export function textMap(max: number): z.ZodType<Record<string, string>> {
  return z.record(z.string(), z.string()).refine((map) => Object.keys(map).length <= max, {
    error: `too many entries, want at most ${max}`,
  });
}

export const localRef: z.ZodType = z.strictObject({
  group: groupName,
  kind: kindName,
  name: objectName,
});

export const secretRef: z.ZodType = z.strictObject({
  group: groupName.optional(),
  kind: kindName.optional(),
  name: objectName,
  namespace: namespaceName.optional(),
});

const parentRef: z.ZodType = z.strictObject({
  group: groupName.optional(),
  kind: kindName.optional(),
  namespace: namespaceName.optional(),
  name: objectName,
  sectionName: sectionName.optional(),
  port: portNumber.optional(),
});

const MAX_PARENTS = 32;

/** What all routes have. */
export const routeCommon: Readonly<Record<'parentRefs' | 'useDefaultGateways', z.ZodType>> = {
  parentRefs: listOf(parentRef, MAX_PARENTS).optional(),
  useDefaultGateways: z.string().optional(),
};

const MAX_WEIGHT = 1_000_000;

export const backendRefFields: Readonly<
  Record<'group' | 'kind' | 'name' | 'namespace' | 'port', z.ZodType>
> = {
  group: groupName.optional(),
  kind: kindName.optional(),
  name: objectName,
  namespace: namespaceName.optional(),
  port: portNumber.optional(),
};

export const weight: z.ZodType<number> = between(0, MAX_WEIGHT);

export const backendRef: z.ZodType = z.strictObject({
  ...backendRefFields,
  weight: weight.optional(),
});
