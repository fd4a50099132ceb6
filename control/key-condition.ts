/** The condition of a RequestAuthentication whose keys are fetched: are they as their issuers want them? */
import type { Resource } from '../src/model/api.ts';
import type { Judgement } from './conditions.ts';
import { keySetsOf } from './key-uses.ts';
import type { Keys, KeyState } from './keys.ts';

const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function sentence(uri: string, state: KeyState): string {
  const { fetchedAtMs, isStale, trustedUntilMs, fault, dropped } = state;
  const why = fault === undefined ? '' : `: ${fault}`;
  if (fetchedAtMs === undefined) return `${uri} was never had, its tokens are refused${why}`;
  const left = dropped.length === 0 ? '' : `${uri}: ${dropped.join('; ')}`;
  if (!isStale) return left;
  return `${uri} is of ${timeText(fetchedAtMs)} and is used until ${timeText(trustedUntilMs)}${why}`;
}

/** One judgement, or none where no keys are fetched. */
export function judgeKeys(resource: Resource, keys: Pick<Keys, 'stateOf'>): readonly Judgement[] {
  const uris = keySetsOf(resource);
  if (uris.length === 0) return [];
  const states = uris.map((uri) => ({ uri, state: keys.stateOf(uri) }));
  const said = states.flatMap(({ uri, state }) =>
    state === undefined ? [] : sentence(uri, state),
  );
  const message = said.filter((text) => text !== '').join('; ');
  const type = 'JwksStale';
  if (states.some(({ state }) => state !== undefined && state.fetchedAtMs === undefined))
    return [{ type, status: 'True', reason: 'NoKeys', message }];
  // Nobody asks for keys that no proxy uses, so they may be of any age.
  const isStale = ({ state }: (typeof states)[number]): boolean =>
    state?.isStale === true && state.fault !== undefined;
  if (states.some(isStale)) return [{ type, status: 'True', reason: 'FetchFailed', message }];
  if (states.every(({ state }) => state === undefined))
    return [
      {
        type,
        status: 'Unknown',
        reason: 'NotFetched',
        message: 'no proxy has used these keys yet',
      },
    ];
  return [{ type, status: 'False', reason: 'Fresh', message }];
}
