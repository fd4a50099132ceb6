import type { PolicyCompiler } from '../../model/policy.ts';
import type { ApiKeysConfig, KeyPlace } from './config.ts';
import type { ApiKeysPart, ApiKeysPlace } from './schema.ts';

const DEFAULT_PLACE: KeyPlace = { in: 'header', name: 'x-api-key', prefix: '' };

function placeOf({ header, prefix = '', query, cookie }: ApiKeysPlace): KeyPlace {
  if (header !== undefined) return { in: 'header', name: header.toLowerCase(), prefix };
  return query === undefined ? { in: 'cookie', name: cookie ?? '' } : { in: 'query', name: query };
}

export const apiKeysCompiler: PolicyCompiler = {
  kind: 'apiKeys',
  phase: 'authn',
  compilePart(part, { policy }) {
    const given = part as ApiKeysPart;
    const { from, keys = [], secretName, consumerHeader } = given;
    const [namespace = ''] = policy.split('/');
    const secret = secretName === undefined ? undefined : `${namespace}/${secretName}`;
    const config: ApiKeysConfig = {
      policy,
      from: from === undefined ? [DEFAULT_PLACE] : from.map((place) => placeOf(place)),
      keys,
      ...(secret === undefined ? {} : { secret }),
      ...(consumerHeader === undefined ? {} : { consumerHeader: consumerHeader.toLowerCase() }),
      isOptional: given.optional === true,
      forwardsKey: given.forwardKey === true,
      passesPreflight: given.allowPreflight === true,
    };
    return { kind: 'apiKeys', config, ...(secret === undefined ? {} : { secrets: [secret] }) };
  },
};
