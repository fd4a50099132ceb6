/** RFC 7541, appendix A. */
import { Field, fieldName } from './field.ts';

const ENTRIES: readonly string[] = [
  ':authority',
  ':method=GET',
  ':method=POST',
  ':path=/',
  ':path=/index.html',
  ':scheme=http',
  ':scheme=https',
  ':status=200',
  ':status=204',
  ':status=206',
  ':status=304',
  ':status=400',
  ':status=404',
  ':status=500',
  'accept-charset',
  'accept-encoding=gzip, deflate',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
];

function entry(text: string, index: number): Field {
  const [name = '', value = ''] = text.split('=');
  const owner = fieldName(name);
  const field = new Field(owner, value, false);
  field.staticIndex = index + 1;
  if (owner.staticIndex === 0) owner.staticIndex = index + 1;
  // Those without a value stand for their name; an empty value is seldom meant.
  if (value !== '') owner.staticFields = [...owner.staticFields, field];
  return field;
}

/** From index 1 on; entries are told by `staticIndex`. */
export const STATIC_FIELDS: readonly Field[] = ENTRIES.map((text, index) => entry(text, index));
export const STATIC_COUNT: number = ENTRIES.length;
