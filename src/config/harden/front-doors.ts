/** Policies of lateen.io that let people in. */
import { parseApiKeyEntry } from '../../lib/api-key.ts';
import type { PolicySpec } from '../../model/api-lateen.ts';
import type { Resource } from '../../model/api.ts';
import type { Weakness } from './codes.ts';

/** What is read of the parts; admission has looked at the whole. */
interface Parts extends PolicySpec {
  readonly oidc?: {
    readonly tokenEndpoint: { readonly host: string; readonly plaintext?: boolean };
  };
  readonly apiKeys?: {
    readonly keys?: readonly { readonly name: string; readonly hashes: readonly string[] }[];
    readonly secretName?: string;
  };
}

const isEndless = (text: string): boolean => {
  const entry = parseApiKeyEntry(text);
  return entry !== undefined && entry.expiresMs === undefined;
};

function endless(consumers: readonly string[], path: string): Weakness[] {
  const [first, ...others] = consumers;
  if (first === undefined) return [];
  const whose = others.length === 0 ? first : `${first} and ${others.length} others`;
  return [{ code: 'LAT0733', message: `keys of ${whose} have no expires`, path }];
}

/** Each consumer has an entry, with a hash a line. */
function inSecret(secret: Resource | undefined): string[] {
  return Object.entries(secret?.data ?? {})
    .filter(([, text]) => text.split(/\r?\n/).some((line) => isEndless(line)))
    .map(([name]) => name);
}

export function policy(
  { spec, metadata }: Resource<Parts>,
  { resources }: { readonly resources: readonly Resource[] },
): Weakness[] {
  const { oidc, apiKeys } = spec;
  const found: Weakness[] = [];
  if (oidc?.tokenEndpoint.plaintext === true)
    found.push({
      code: 'LAT0732',
      message: `${oidc.tokenEndpoint.host} may be spoken to without TLS`,
      path: 'spec.oidc.tokenEndpoint.plaintext',
    });
  if (apiKeys === undefined) return found;
  const { keys = [], secretName } = apiKeys;
  const own = keys.filter(({ hashes }) => hashes.some((hash) => isEndless(hash)));
  found.push(
    ...endless(
      own.map(({ name }) => name),
      'spec.apiKeys.keys',
    ),
  );
  const secret = resources.find(
    ({ group, kind, metadata: its }) =>
      group === '' &&
      kind === 'Secret' &&
      its.namespace === metadata.namespace &&
      its.name === secretName,
  );
  return [...found, ...endless(inSecret(secret), 'spec.apiKeys.secretName')];
}
