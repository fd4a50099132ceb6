/** What was certified and holds no more: by serial, or everything of an identity. */
import { identityFault } from '../../src/lib/spiffe-id.ts';
import type { StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import { refuse } from './chain.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import { findIssued } from './issued.ts';
import type { Denied } from './records.ts';
import { DENIED_IDENTITY_PREFIX, DENIED_SERIAL_PREFIX } from './records.ts';
import type { View } from './view.ts';
import { readSerial } from './x509.ts';

/** The list travels to every proxy; an identity stands for all of its serials. */
export const MAX_SERIALS = 5000;
export const MAX_IDENTITIES = 1000;
const MAX_REASON = 500;

/** One of both. */
export interface Subject {
  readonly serial?: string | undefined;
  readonly identity?: string | undefined;
}

type Named =
  | { readonly of: 'serial'; readonly name: string; readonly key: string }
  | { readonly of: 'identity'; readonly name: string; readonly key: string };

/** @throws Problem 422 */
function readSubject({ serial, identity }: Subject): Named {
  if ((serial === undefined) === (identity === undefined))
    throw refuse('want a serial or an identity, one of both');
  if (serial !== undefined) {
    const name = readSerial(serial);
    if (name === undefined) throw refuse(`serial ${JSON.stringify(serial)}: want hex digits`);
    return { of: 'serial', name, key: DENIED_SERIAL_PREFIX + name };
  }
  const name = (identity ?? '').replace(/^spiffe:\/\//, '');
  const fault = identityFault(name);
  if (fault !== undefined) throw refuse(`identity ${JSON.stringify(name)}: ${fault}`);
  return { of: 'identity', name, key: DENIED_IDENTITY_PREFIX + name };
}

function requireRoom(view: View, { of }: Named): void {
  const [count, most] =
    of === 'serial' ? [view.serials.size, MAX_SERIALS] : [view.identities.size, MAX_IDENTITIES];
  if (count >= most)
    throw refuse(
      `the list of denied ${of === 'serial' ? 'serials' : 'identities'} has ${most} entries, which is all it may have: ` +
        'deny identities instead of serials, or rotate the root (`lateen ca rotate start`)',
    );
}

/** The same again changes nothing. @throws Problem 422 */
export async function deny(
  core: Core,
  subject: Subject & { readonly reason: string },
  actor: string,
): Promise<Denied> {
  const named = readSubject(subject);
  const view = await core.views.current();
  const known = (named.of === 'serial' ? view.serials : view.identities).get(named.name);
  if (known !== undefined) return known;
  requireRoom(view, named);
  const issued = named.of === 'serial' ? await findIssued(core.store, named.name) : undefined;
  const nowMs = core.nowMs();
  if (issued !== undefined && issued.notAfterMs <= nowMs)
    throw refuse(
      `serial ${named.name}: it ended at ${new Date(issued.notAfterMs).toISOString()} by itself`,
    );
  const entry: Denied = {
    name: named.name,
    reason: subject.reason.slice(0, MAX_REASON),
    actor,
    atMs: nowMs,
    ...(issued === undefined
      ? {}
      : { untilMs: issued.notAfterMs, identity: issued.identity, generation: issued.generation }),
  };
  await commit(core, [{ op: 'put', key: named.key, value: JSON.stringify(entry) }], {
    actor,
    message: `${named.of} ${named.name} denied`,
  });
  return entry;
}

/** @throws Problem 404 */
export async function undeny(core: Core, subject: Subject, actor: string): Promise<void> {
  const { of, name, key } = readSubject(subject);
  if ((await core.store.get(key)) === undefined)
    throw new Problem(404, 'not found', `${of} ${name} is not denied`);
  await commit(core, [{ op: 'delete', key }], { actor, message: `${of} ${name} denied no more` });
}

/** A certificate that ended needs no denial. */
export function endedDenials({ serials }: View, nowMs: number): StoreChange[] {
  return [...serials.values()]
    .filter(({ untilMs = Number.POSITIVE_INFINITY }) => untilMs <= nowMs)
    .map(({ name }) => ({ op: 'delete', key: DENIED_SERIAL_PREFIX + name }));
}
