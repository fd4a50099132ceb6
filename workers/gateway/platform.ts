/**
 * What the platform says of a call, where nobody can say it in its place: a service binding carries `props` that only who
 * deploys the caller writes, and no request can bring.
 */
import { identityFault, identityOf } from '../../src/lib/spiffe-id.ts';
import type { Peer } from '../../src/model/identity.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import type { GatewayEnv } from './env.ts';

type PlatformPeer = Pick<Peer, 'proof' | 'principal'>;

/** What a call came with and over. */
interface Binding {
  readonly props: unknown;
  /** It led to an entrypoint that no socket has. */
  readonly isNamedEntrypoint: boolean;
}

const NOBODY: PlatformPeer = {};
/** Value of `INBOUND_CALLERS`: entrypoint Inbound is on no socket, so that bindings alone lead there. */
const BINDINGS_ALONE = 'bindings';

function identityFrom(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  return identityFault(text) === undefined ? text : identityOf(text);
}

/**
 * `props` of the binding: `{lateen: {identity}}` names the caller, `{lateen: {}}` says that it is of this account.
 * An identity that is none is a fault of the deployment: the call counts as anybody's, as that of a denied one does.
 */
export function platformPeer(
  { props, isNamedEntrypoint }: Binding,
  { INBOUND_CALLERS: callers }: Pick<GatewayEnv, 'INBOUND_CALLERS'>,
  trust: TrustSettings | undefined,
): PlatformPeer {
  const { lateen } = (props ?? {}) as { readonly lateen?: unknown };
  if (typeof lateen === 'object' && lateen !== null) {
    const { identity } = lateen as { readonly identity?: unknown };
    if (identity === undefined) return { proof: 'platform' };
    const principal = identityFrom(identity);
    if (principal === undefined || trust?.denied.identities.includes(principal) === true)
      return NOBODY;
    return { proof: 'platform', principal };
  }
  return isNamedEntrypoint && callers === BINDINGS_ALONE ? { proof: 'platform' } : NOBODY;
}
