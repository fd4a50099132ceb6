/**
 * Exchanges the root without an outage. Peers believe the new root before anything is signed under it, and the old one
 * until nothing signed under it is in use: whoever would be cut off is named, and the step is refused.
 */
import type { StoreChange } from '../../src/model/store.ts';
import { Problem } from '../problem.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import { issuedAfter } from './issued.ts';
import type { AuthorityState, Generation, IssuedRecord, Stage } from './records.ts';
import { PENDING_KEY, generationKey } from './records.ts';
import type { Material } from './setup.ts';
import { admitMaterial, putGeneration, putState } from './setup.ts';
import { signingGeneration } from './signers.ts';
import type { View } from './view.ts';

/** Who has live proxies, and whom these believe. */
export interface Followers {
  /** Live instances that don't believe a root (PEM) yet. */
  without(root: string): Promise<readonly string[]>;
  /** From then on it is known which proxies are there: each has asked once since this control plane started. */
  readonly knownFromMs: number;
}

export interface RotationStatus {
  readonly stage: Stage;
  readonly sinceMs: number;
  /** Generation numbers. */
  readonly signer: number;
  readonly next?: number;
  readonly previous?: number;
  /** Why the next step would be refused; empty = it can be taken. */
  readonly waitsFor: readonly string[];
}

const MAX_NAMED = 50;

const conflict = (detail: string): Problem => new Problem(409, 'conflict', detail);

/** The state, if it is in one of these stages. @throws Problem 409 */
function requireStage(view: View, ...stages: readonly Stage[]): AuthorityState {
  signingGeneration(view);
  const { state } = view;
  if (state === undefined || !stages.includes(state.stage))
    throw conflict(
      state?.stage === 'steady'
        ? 'no rotation runs: `lateen ca rotate start` begins one'
        : `a rotation runs, in stage ${state?.stage ?? 'steady'}: \`lateen ca rotate status\``,
    );
  return state;
}

/** Both roots are believed from now on; the old one signs. @throws Problem 409, 422 */
export async function startRotation(
  core: Core,
  material: Material,
  actor: string,
): Promise<Generation> {
  const view = await core.views.current();
  const state = requireStage(view, 'steady');
  const generation = await admitMaterial(core, material, { view, actor });
  if (generation.root === signingGeneration(view).root)
    throw conflict(
      'the root is the one that is: `lateen ca renew` exchanges an intermediate under it',
    );
  await commit(
    core,
    [
      putState(
        {
          ...state,
          stage: 'trusting',
          next: generation.generation,
          sinceMs: core.nowMs(),
          actor,
          lastGeneration: generation.generation,
        },
        view,
      ),
      putGeneration(generation),
      ...(view.pending === undefined ? [] : [{ op: 'delete' as const, key: PENDING_KEY }]),
    ],
    { actor, message: 'root rotation: both roots are believed' },
  );
  return generation;
}

/** Only before the new one signs. @throws Problem 409 */
export async function cancelRotation(core: Core, actor: string): Promise<void> {
  const view = await core.views.current();
  const { next, ...state } = requireStage(view, 'trusting');
  await commit(
    core,
    [
      putState({ ...state, stage: 'steady', sinceMs: core.nowMs(), actor }, view),
      ...(next === undefined ? [] : [{ op: 'delete' as const, key: generationKey(next) }]),
    ],
    { actor, message: 'root rotation cancelled' },
  );
}

const oldGenerations = (view: View, { previous }: AuthorityState): Generation[] => {
  const root = previous === undefined ? undefined : view.generations.get(previous)?.root;
  return [...view.generations.values()].filter((one) => one.root === root);
};

/** Certificates under the old root that nobody replaced, denied or let end. */
async function inUse(core: Core, view: View, state: AuthorityState): Promise<IssuedRecord[]> {
  const old = new Set(oldGenerations(view, state).map(({ generation }) => generation));
  const left = new Map<string, IssuedRecord>();
  const renewed = new Set<string>();
  for await (const record of issuedAfter(core.store, core.nowMs())) {
    if (old.has(record.generation)) left.set(record.serial, record);
    // Whoever renews names the certificate that it had.
    else if (record.provenBy === 'renewal') renewed.add(record.actor);
  }
  return [...left.values()].filter(
    ({ serial, identity }) =>
      !renewed.has(serial) && !view.serials.has(serial) && !view.identities.has(identity),
  );
}

async function waitsFor(core: Core, view: View, followers: Followers): Promise<string[]> {
  const { state } = view;
  if (state === undefined || state.stage === 'steady') return [];
  const unknown =
    core.nowMs() < followers.knownFromMs
      ? [
          `the control plane started lately: which proxies are there is known from ${new Date(followers.knownFromMs).toISOString()} on`,
        ]
      : [];
  const root = view.generations.get(state.next ?? state.signer)?.root ?? '';
  const behind = (await followers.without(root)).map(
    (name) => `${name} has not acknowledged the new root`,
  );
  const used = state.stage === 'switched' ? await inUse(core, view, state) : [];
  const certificates = used.map(
    ({ identity, serial, notAfterMs }) =>
      `${identity} has certificate ${serial} under the old root until ${new Date(notAfterMs).toISOString()}`,
  );
  return [...unknown, ...behind, ...certificates];
}

export async function rotationStatus(
  core: Core,
  followers: Followers,
): Promise<RotationStatus | undefined> {
  const view = await core.views.current();
  const { state } = view;
  if (state === undefined) return undefined;
  const { stage, sinceMs, signer, next, previous } = state;
  return {
    stage,
    sinceMs,
    signer,
    ...(next === undefined ? {} : { next }),
    ...(previous === undefined ? {} : { previous }),
    waitsFor: await waitsFor(core, view, followers),
  };
}

/** The new one signs; what it signed before stays good. */
function switched(view: View, state: AuthorityState, by: { atMs: number; actor: string }) {
  const { next, ...rest } = state;
  const before = view.generations.get(state.signer);
  if (next === undefined) throw conflict('no next root is there');
  return [
    putState(
      {
        ...rest,
        signer: next,
        previous: state.signer,
        stage: 'switched',
        sinceMs: by.atMs,
        actor: by.actor,
      },
      view,
    ),
    ...(before === undefined ? [] : [putGeneration({ ...before, retiredMs: by.atMs })]),
  ];
}

/** The old root is believed no more, and its keys are gone. */
function dropped(
  view: View,
  state: AuthorityState,
  by: { atMs: number; actor: string },
): StoreChange[] {
  const { previous: _previous, ...rest } = state;
  return [
    putState({ ...rest, stage: 'steady', sinceMs: by.atMs, actor: by.actor }, view),
    ...oldGenerations(view, state).map(({ generation }): StoreChange => ({
      op: 'delete',
      key: generationKey(generation),
    })),
  ];
}

export interface Advance {
  readonly actor: string;
  /** Goes on although somebody is cut off. @default false */
  readonly force: boolean;
  /** Told when that was so. */
  forced(waited: readonly string[]): Promise<void>;
}

/** What helps where somebody never comes. */
const REMEDY = {
  steady: '',
  trusting: 'one that is gone counts no more 90 s after it was heard last. ',
  switched:
    'proxies renew by themselves, and `lateen ca deny --serial` ends the certificate of one that is gone. ',
} as const;

function refusal(waits: readonly string[], stage: keyof typeof REMEDY): Problem {
  const named = waits.slice(0, MAX_NAMED);
  const more = waits.length - named.length;
  return new Problem(
    409,
    'conflict',
    `the rotation waits: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}. ${REMEDY[stage]}--force goes on, and cuts them off`,
  );
}

/** Takes the next step. @throws Problem 409 with the names of those who aren't ready */
export async function advanceRotation(
  core: Core,
  followers: Followers,
  advance: Advance,
): Promise<void> {
  const view = await core.views.current();
  const state = requireStage(view, 'trusting', 'switched');
  const waits = await waitsFor(core, view, followers);
  if (waits.length > 0 && !advance.force) throw refusal(waits, state.stage);
  const by = { atMs: core.nowMs(), actor: advance.actor };
  const isFirst = state.stage === 'trusting';
  await commit(core, isFirst ? switched(view, state, by) : dropped(view, state, by), {
    actor: advance.actor,
    message:
      (isFirst ? 'root rotation: the new root signs' : 'root rotation: the old root is dropped') +
      (waits.length > 0 ? `, forced past ${waits.length}` : ''),
  });
  if (waits.length > 0) await advance.forced(waits);
}
