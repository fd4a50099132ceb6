import { z } from 'zod';
import { duration, flag, integer, labels, percent, stringMatch, text, texts } from '../fields.ts';

const headerOperations = z.strictObject({
  set: labels.optional(),
  add: labels.optional(),
  remove: texts.optional(),
});
const headers = z.strictObject({
  request: headerOperations.optional(),
  response: headerOperations.optional(),
});
const portSelector = z.strictObject({ number: integer.optional() });
export const destination: z.ZodType = z.strictObject({
  host: text,
  subset: text.optional(),
  port: portSelector.optional(),
});
const matches = z.record(z.string(), stringMatch);

const match = z.strictObject({
  name: text.optional(),
  uri: stringMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: matches.optional(),
  withoutHeaders: matches.optional(),
  queryParams: matches.optional(),
  port: integer.optional(),
  sourceLabels: labels.optional(),
  sourceNamespace: text.optional(),
  gateways: texts.optional(),
  ignoreUriCase: flag.optional(),
  statPrefix: text.optional(),
});

const redirect = z
  .strictObject({
    uri: text.optional(),
    prefixRewrite: text.optional(),
    authority: text.optional(),
    scheme: text.optional(),
    port: integer.optional(),
    derivePort: z.enum(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).optional(),
    redirectCode: integer.optional(),
  })
  .refine((value) => value.port === undefined || value.derivePort === undefined, {
    error: 'redirect has port and derivePort, want one',
  });

const fault = z.strictObject({
  delay: z
    .strictObject({
      fixedDelay: duration.optional(),
      exponentialDelay: text.optional(),
      percentage: percent.optional(),
      percent: integer.optional(),
    })
    .optional(),
  abort: z
    .strictObject({
      httpStatus: integer.optional(),
      grpcStatus: text.optional(),
      http2Error: text.optional(),
      percentage: percent.optional(),
    })
    .optional(),
});

const cors = z.strictObject({
  allowOrigin: texts.optional(),
  allowOrigins: z.array(stringMatch).optional(),
  allowMethods: texts.optional(),
  allowHeaders: texts.optional(),
  exposeHeaders: texts.optional(),
  maxAge: duration.optional(),
  allowCredentials: flag.optional(),
  unmatchedPreflights: z.enum(['UNSPECIFIED', 'FORWARD', 'IGNORE']).optional(),
});

export const httpRoute: z.ZodType = z.strictObject({
  name: text.optional(),
  match: z.array(match).optional(),
  route: z
    .array(z.strictObject({ destination, weight: integer.optional(), headers: headers.optional() }))
    .optional(),
  redirect: redirect.optional(),
  directResponse: z
    .strictObject({
      status: integer,
      body: z.strictObject({ string: text.optional(), bytes: text.optional() }).optional(),
    })
    .optional(),
  delegate: z.strictObject({ name: text.optional(), namespace: text.optional() }).optional(),
  rewrite: z
    .strictObject({
      uri: text.optional(),
      authority: text.optional(),
      uriRegexRewrite: z
        .strictObject({ match: text.optional(), rewrite: text.optional() })
        .optional(),
    })
    .optional(),
  timeout: duration.optional(),
  retries: z
    .strictObject({
      attempts: integer.optional(),
      perTryTimeout: duration.optional(),
      retryOn: text.optional(),
      retryRemoteLocalities: flag.optional(),
      retryIgnorePreviousHosts: flag.optional(),
      backoff: duration.optional(),
    })
    .optional(),
  fault: fault.optional(),
  mirror: destination.optional(),
  mirrorPercentage: percent.optional(),
  mirrorPercent: integer.optional(),
  mirrors: z.array(z.strictObject({ destination, percentage: percent.optional() })).optional(),
  corsPolicy: cors.optional(),
  headers: headers.optional(),
});
