/** Secret and ConfigMap: maps of text instead of a spec. */
import { z } from 'zod';
import type { Resource } from '../../model/api.ts';
import type { Fault, ResourceKind } from '../../model/config.ts';
import { defineLooseKind, issueFaults, withSchema } from '../define.ts';
import { flag, labels, text } from '../fields.ts';
import { checkMeshConfig } from '../mesh-config-checks.ts';

const NAME = /^[-._a-zA-Z0-9]{1,253}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const head = { apiVersion: text, kind: text, metadata: z.unknown() };
const secretSchema = z.strictObject({
  ...head,
  type: text.optional(),
  immutable: flag.optional(),
  data: labels.optional(),
  stringData: labels.optional(),
});
const configMapSchema = z.strictObject({
  ...head,
  immutable: flag.optional(),
  data: labels.optional(),
  binaryData: labels.optional(),
});

const wrong = (path: string, message: string, remedy: string): Fault => ({
  code: 'LAT0004',
  level: 'error',
  path,
  message,
  remedy,
});

function checkMaps(document: Readonly<Record<string, unknown>>): Fault[] {
  const faults: Fault[] = [];
  for (const field of ['data', 'stringData', 'binaryData'])
    for (const [key, value] of Object.entries((document[field] ?? {}) as Record<string, string>)) {
      const path = `${field}.${key}`;
      if (!NAME.test(key))
        faults.push(
          wrong(
            path,
            `key ${JSON.stringify(key)} is no file name`,
            'use letters, digits, -, _ and .',
          ),
        );
      const isEncoded =
        field === 'binaryData' || (field === 'data' && document['kind'] === 'Secret');
      if (isEncoded && !BASE64.test(value.replaceAll(/[\r\n]/g, '')))
        // The value itself stays out of the message: it may be the secret.
        faults.push(
          wrong(path, `${key} is not base64`, 'encode it, or put plain text under stringData'),
        );
    }
  return faults;
}

/** A Secret's values stay out of messages, which end in logs. */
function withoutValue(fault: Fault): Fault {
  const key = /^(?:data|stringData)(?:\.(.+))?$/.exec(fault.path);
  if (key === null) return fault;
  return key[1] === undefined
    ? wrong(fault.path, `${fault.path} is no map of text`, 'write names with values')
    : wrong(fault.path, `${key[1]} is no text`, 'put it in quotes');
}

function checkWith(schema: z.ZodType, isSecret: boolean): (document: unknown) => readonly Fault[] {
  return (document) => {
    const result = schema.safeParse(document);
    if (result.success) return checkMaps(document as Readonly<Record<string, unknown>>);
    const faults = result.error.issues.flatMap((issue) => issueFaults(issue, schema, document));
    return isSecret ? faults.map((fault) => withoutValue(fault)) : faults;
  };
}

export const secret: ResourceKind = withSchema(
  {
    ...defineLooseKind({ group: '', kind: 'Secret', versions: ['v1'], plural: 'secrets' }),
    check: checkWith(secretSchema, true),
  },
  secretSchema,
);

export const configMap: ResourceKind = withSchema(
  {
    ...defineLooseKind({ group: '', kind: 'ConfigMap', versions: ['v1'], plural: 'configmaps' }),
    check: checkWith(configMapSchema, false),
    validate({ metadata, data }: Resource) {
      const isMesh = metadata.namespace === 'istio-system' && metadata.name === 'istio';
      return isMesh && data?.['mesh'] !== undefined ? checkMeshConfig(data['mesh']) : [];
    },
  },
  configMapSchema,
);
