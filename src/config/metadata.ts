/** Metadata of a document, as Kubernetes asks for it. */
import { isFields } from '../lib/fields.ts';
import { closest } from '../lib/similar.ts';
import type { Fault } from '../model/config.ts';

const DNS_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const METADATA_FIELDS = new Set([
  'name',
  'generateName',
  'namespace',
  'labels',
  'annotations',
  'creationTimestamp',
  'generation',
  'uid',
  'resourceVersion',
  'managedFields',
  'ownerReferences',
  'finalizers',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]);

export const error = (code: string, path: string, message: string, remedy?: string): Fault => ({
  code,
  level: 'error',
  path,
  message,
  ...(remedy === undefined ? {} : { remedy }),
});

const LABEL_WORD = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;
/** Of all annotations of one object together, in characters. */
const MAX_ANNOTATIONS = 256 * 1024;

function keyFault(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  if (prefix !== undefined && (prefix.length > 253 || !DNS_NAME.test(prefix)))
    return `prefix ${JSON.stringify(prefix)} of ${JSON.stringify(key)} is no DNS name`;
  return LABEL_WORD.test(key.slice(slash + 1))
    ? undefined
    : `${JSON.stringify(key)} is no name of at most 63 letters, digits, -, _ and .`;
}

/** Labels and annotations: names with text; the values of labels are words. */
function checkTexts(field: 'labels' | 'annotations', value: unknown, faults: Fault[]): void {
  const path = `metadata.${field}`;
  if (value === undefined) return;
  if (!isFields(value)) {
    faults.push(
      error('LAT0004', path, `${JSON.stringify(value)} is no map, want names with text values`),
    );
    return;
  }
  let size = 0;
  for (const [key, text] of Object.entries(value)) {
    const at = `${path}.${key}`;
    const why = keyFault(key);
    if (why !== undefined) faults.push(error('LAT0004', at, why));
    if (typeof text !== 'string')
      faults.push(
        error(
          'LAT0004',
          at,
          `${key} is ${JSON.stringify(text)}, want a string`,
          'put the value in quotes',
        ),
      );
    else if (field === 'labels' && text !== '' && !LABEL_WORD.test(text))
      faults.push(
        error(
          'LAT0004',
          at,
          `label value ${JSON.stringify(text)} is no word of at most 63 letters, digits, -, _ and .`,
        ),
      );
    size += key.length + String(text).length;
  }
  if (field === 'annotations' && size > MAX_ANNOTATIONS)
    faults.push(
      error('LAT0004', path, `annotations of ${size} characters, want at most ${MAX_ANNOTATIONS}`),
    );
}

function checkName(name: unknown, faults: Fault[], isLoose: boolean): void {
  if (name === undefined) {
    faults.push(error('LAT0004', 'metadata.name', 'name is required, want a DNS name'));
    return;
  }
  const isName =
    typeof name === 'string' &&
    name.length <= 253 &&
    (isLoose ? name !== '' && !/[/%]/.test(name) : DNS_NAME.test(name));
  if (!isName)
    faults.push(
      error(
        'LAT0004',
        'metadata.name',
        `name is ${JSON.stringify(name)}, want a DNS name in lower case`,
      ),
    );
}

/** `isLoose`: names that are path segments, as those of roles (`system:node`). */
export function checkMetadata(metadata: unknown, faults: Fault[], isLoose = false): void {
  if (!isFields(metadata)) {
    faults.push(error('LAT0004', 'metadata', 'metadata is missing, want at least a name'));
    return;
  }
  for (const field of Object.keys(metadata))
    if (!METADATA_FIELDS.has(field)) faults.push(unknownField(field));
  const { name, namespace, creationTimestamp, generation } = metadata;
  checkName(name, faults, isLoose);
  if (
    namespace !== undefined &&
    (typeof namespace !== 'string' || namespace.length > 63 || !DNS_LABEL.test(namespace))
  )
    faults.push(
      error(
        'LAT0004',
        'metadata.namespace',
        `namespace is ${JSON.stringify(namespace)}, want a DNS label`,
      ),
    );
  if (
    creationTimestamp !== undefined &&
    (typeof creationTimestamp !== 'string' || !RFC3339.test(creationTimestamp))
  )
    faults.push(
      error(
        'LAT0004',
        'metadata.creationTimestamp',
        `creationTimestamp is ${JSON.stringify(creationTimestamp)}, want a time as 2026-01-31T12:00:00Z`,
      ),
    );
  if (generation !== undefined && !Number.isInteger(generation))
    faults.push(
      error(
        'LAT0004',
        'metadata.generation',
        `generation is ${JSON.stringify(generation)}, want an integer`,
      ),
    );
  checkTexts('labels', metadata['labels'], faults);
  checkTexts('annotations', metadata['annotations'], faults);
}

function unknownField(field: string): Fault {
  const near = closest(field, [...METADATA_FIELDS]);
  return error(
    'LAT0003',
    `metadata.${field}`,
    `unknown field "${field}"${near === undefined ? '' : `, did you mean "${near}"?`}`,
    near === undefined ? 'remove it' : `write ${near}`,
  );
}
