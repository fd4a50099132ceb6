/** Join tokens: shown once, stored as hashes, good for one certificate of one identity. */
import { joinTokenText, parseJoinToken } from '../../src/delivery/joining.ts';
import { linkCidrs } from '../../src/lib/cidr.ts';
import { sha256Hex } from '../../src/lib/hash.ts';
import { spiffeUri } from '../../src/lib/spiffe-id.ts';
import type { Store, StoreChange, StoredRecord } from '../../src/model/store.ts';
import { sameHash } from '../auth.ts';
import { Problem } from '../problem.ts';
import { Refusal } from './refusal.ts';

export interface JoinTokenRecord {
  readonly id: string;
  /** `trust.domain/ns/a/sa/b` */
  readonly identity: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** Where it must be used from. @default anywhere */
  readonly cidr?: string;
  readonly usedMs?: number;
  /** Address that used it. */
  readonly usedFrom?: string;
}

export interface WantedToken {
  readonly identity: string;
  readonly ttlMs: number;
  readonly cidr?: string;
  readonly actor: string;
  /** SHA-256 (hex) of the root that it is to believe. */
  readonly root: string;
}

export interface UsableToken {
  readonly identity: string;
  readonly id: string;
  /** Commits with the certificate: its being used, once. */
  readonly consume: StoreChange;
}

const PREFIX = '!join-token/';
const MAX_TOKENS = 1000;
/** Used and expired ones are shown for so long. */
const KEPT_MS = 24 * 3_600_000;
/** Compared where there is none, so that an unknown id takes as long as a wrong secret. */
const NO_HASH = '0'.repeat(64);

const read = ({ value }: Pick<StoredRecord, 'value'>): JoinTokenRecord =>
  JSON.parse(value) as JoinTokenRecord;

export class JoinTokens {
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #randomHex: (length: number) => string;

  constructor(from: {
    readonly store: Store;
    readonly nowMs: () => number;
    readonly randomHex: (length: number) => string;
  }) {
    this.#store = from.store;
    this.#nowMs = from.nowMs;
    this.#randomHex = from.randomHex;
  }

  async list(): Promise<readonly JoinTokenRecord[]> {
    const { records } = await this.#store.list(PREFIX);
    return records.map((record) => read(record));
  }

  /** @throws Problem 409 when there are too many */
  async create(
    wanted: WantedToken,
  ): Promise<{ readonly record: JoinTokenRecord; readonly token: string }> {
    const { identity, ttlMs, cidr, actor, root } = wanted;
    const nowMs = this.#nowMs();
    const all = await this.list();
    const old = all.filter(
      ({ expiresMs, usedMs }) => nowMs - Math.min(expiresMs, usedMs ?? expiresMs) > KEPT_MS,
    );
    if (all.length - old.length >= MAX_TOKENS)
      throw new Problem(
        409,
        'too many join tokens',
        `there are ${MAX_TOKENS} of the last day: revoke those that nobody needs`,
      );
    const id = this.#randomHex(8);
    const token = joinTokenText({ id, secret: this.#randomHex(24), root, identity });
    const record: JoinTokenRecord = {
      id,
      identity,
      hash: sha256Hex(token),
      createdBy: actor,
      createdMs: nowMs,
      expiresMs: nowMs + ttlMs,
      ...(cidr === undefined ? {} : { cidr }),
    };
    await this.#store.commit(
      [
        { op: 'put', key: PREFIX + id, value: JSON.stringify(record) },
        ...old.map(({ id }): StoreChange => ({ op: 'delete', key: PREFIX + id })),
      ],
      { actor, message: `join token ${id} for ${spiffeUri(identity)}`, atMs: nowMs },
    );
    return { record, token };
  }

  /** @throws Problem 404 */
  async revoke(id: string, actor: string): Promise<void> {
    const key = PREFIX + id;
    if ((await this.#store.get(key)) === undefined)
      throw new Problem(404, 'not found', `no join token ${id}`);
    await this.#store.commit([{ op: 'delete', key }], {
      actor,
      message: `join token ${id} revoked`,
      atMs: this.#nowMs(),
    });
  }

  /** @throws Refusal; who shows the whole token is told what is wrong with it */
  async find(text: string, source: string): Promise<UsableToken> {
    const id = parseJoinToken(text)?.id;
    const stored = id === undefined ? undefined : await this.#store.get(PREFIX + id);
    const record = stored === undefined ? undefined : read(stored);
    const isKnown = sameHash(sha256Hex(text), record?.hash ?? NO_HASH);
    if (!isKnown || record === undefined || stored === undefined)
      throw new Refusal('unknown-token', { reason: `join token ${id ?? 'of no known form'}` });
    this.#checkUse(record, source);
    const used: JoinTokenRecord = { ...record, usedMs: this.#nowMs(), usedFrom: source };
    return {
      id: record.id,
      identity: record.identity,
      consume: {
        op: 'put',
        key: PREFIX + record.id,
        value: JSON.stringify(used),
        ifRevision: stored.revision,
      },
    };
  }

  #checkUse({ id, usedMs, expiresMs, cidr, usedFrom }: JoinTokenRecord, source: string): void {
    if (usedMs !== undefined)
      throw new Refusal('used-token', {
        reason: `join token ${id} was used from ${usedFrom ?? 'an unknown address'} before`,
        told: `join token ${id} was used already: if it wasn't you, deny the identity; make another with \`lateen join-token create\``,
      });
    if (this.#nowMs() >= expiresMs)
      throw new Refusal('expired-token', {
        reason: `join token ${id} has expired`,
        told: `join token ${id} has expired: make another with \`lateen join-token create\``,
      });
    if (cidr !== undefined && linkCidrs([cidr])(source) !== true)
      throw new Refusal('source', {
        reason: `join token ${id} is for ${cidr}`,
        told: `join token ${id} may not be used from ${source}: make one with another --cidr`,
      });
  }
}
