/** Schema parts that several kinds share. */
import { z } from 'zod';

export const text: z.ZodString = z.string();
export const integer: z.ZodInt = z.int();
export const flag: z.ZodBoolean = z.boolean();
export const texts: z.ZodArray<z.ZodString> = z.array(z.string());
export const labels: z.ZodRecord<z.ZodString, z.ZodString> = z.record(z.string(), z.string());
/** Carried on without looking inside. */
export const anyMap: z.ZodRecord<z.ZodString, z.ZodUnknown> = z.record(z.string(), z.unknown());

const DURATION = /^-?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$|^0$/;
export const duration: z.ZodType<string> = z.string().refine((value) => DURATION.test(value), {
  error: (issue) => `${JSON.stringify(issue.input)} is no duration, want text as 1.5s, 250ms or 1h`,
});

export const port: z.ZodInt = z.int();

/** One of exact, prefix, regex, or none. */
export const stringMatch: z.ZodType = z
  .strictObject({ exact: text.optional(), prefix: text.optional(), regex: text.optional() })
  .refine((match) => Object.keys(match).length <= 1, {
    error: (issue) =>
      `a match has one of exact, prefix, regex, not ${Object.keys(issue.input as object).join(' and ')} (uri and other strings alike)`,
  });

export const percent: z.ZodType = z.strictObject({ value: z.number().optional() });

export const labelSelector: z.ZodType = z.strictObject({ matchLabels: labels.optional() });

export const targetRef: z.ZodType = z.strictObject({
  group: text.optional(),
  kind: text,
  name: text,
  namespace: text.optional(),
});
