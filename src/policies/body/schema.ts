import { z } from 'zod';
import type { PolicyPart, ReportFault } from '../../model/policy.ts';

const MAX_TYPES = 64;

const schema = z.strictObject({
  maxBytes: z.int().min(0, { error: 'want 0 or more bytes' }).optional(),
  contentTypes: z
    .array(z.string())
    .max(MAX_TYPES, { error: `a list takes at most ${MAX_TYPES}` })
    .optional(),
});

export interface BodyPart {
  readonly maxBytes?: number;
  readonly contentTypes?: readonly string[];
}

const MEDIA_TYPE = /^[!#$&^_.+\w-]+\/(?:\*|[!#$&^_.+\w-]+)$/;

function check(given: unknown, report: ReportFault): void {
  const { maxBytes, contentTypes } = given as BodyPart;
  if (maxBytes === undefined && contentTypes === undefined)
    report('', 'body says nothing, want maxBytes or contentTypes');
  if (contentTypes?.length === 0)
    report(
      'contentTypes',
      'contentTypes is empty: no body would pass',
      'write maxBytes: 0 to refuse every body',
    );
  for (const [index, type] of (contentTypes ?? []).entries())
    if (!MEDIA_TYPE.test(type))
      report(
        `contentTypes[${index}]`,
        `${JSON.stringify(type)} is no media type, want application/json or image/*, without parameters`,
      );
}

const NOTES = `It runs in phase limit, behind authorization and before faults, CORS and header work.

- **maxBytes** counts the body as it is sent, before any decompression. A declared length is held against it at once. A body without length streams on and is counted on its way: past the bound the request to the backend is
  cut, and the client gets 413 if it was sent nothing yet; else its response is cut off. Nothing is kept in memory for it.
- **contentTypes** is asked of requests with a body. Parameters and case don't count. A body without \`content-type\`, or with one that can't be read or stands twice, is refused.
- Bodies of responses are not looked at.`;

export const bodyPart: PolicyPart<z.ZodType> = {
  key: 'body',
  summary: 'Bounds the size and the media types of request bodies.',
  schema,
  check,
  fields: [
    {
      path: 'maxBytes',
      type: 'integer, bytes',
      meaning: 'the largest body that passes; 0 refuses every body',
      default: 'any size',
    },
    {
      path: 'contentTypes',
      type: 'list of media types',
      meaning: '`application/json`, or `image/*` for a whole family',
      default: 'any type',
    },
  ],
  notes: NOTES,
  refusals: [
    {
      when: 'the body is larger than `maxBytes`',
      status: 413,
      body: 'payload too large',
      details: 'request_payload_too_large[namespace/name]',
    },
    {
      when: 'its type is none of `contentTypes`',
      status: 415,
      body: 'unsupported media type',
      details: 'request_media_type_refused[namespace/name]',
    },
  ],
  example: `maxBytes: 1048576
contentTypes: [application/json, "image/*"]
`,
};
