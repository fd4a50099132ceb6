/**
 * Other trust domains: each one's bundle apart, from a file or by its endpoint (SPIFFE Federation, profile https_web),
 * which is asked again as its hint says. One that can't be had any more stays as it was, and the status says so.
 */
import { trustDomainFault } from '../../src/lib/spiffe-id.ts';
import type { ControlDependencies } from '../admin/context.ts';
import { uriFault } from '../key-guard.ts';
import { readAnswer } from '../key-set.ts';
import { Problem } from '../problem.ts';
import type { Bundle } from './bundle.ts';
import { readBundle } from './bundle.ts';
import { refuse } from './chain.ts';
import type { Core } from './core.ts';
import { commit } from './core.ts';
import type { Federation } from './records.ts';
import { FEDERATION_PREFIX } from './records.ts';

const FETCH_TIMEOUT_MS = 5000;
const DEFAULT_HINT_MS = 300_000;
const MIN_HINT_MS = 60_000;
const MAX_HINT_MS = 24 * 3_600_000;
const RETRY_MS = 60_000;
const MAX_DOMAINS = 100;

export interface FederationStatus {
  readonly trustDomain: string;
  readonly url?: string;
  readonly roots: number;
  readonly tokenKeys: number;
  readonly sequence?: number;
  readonly refreshHintMs: number;
  readonly changedMs: number;
  /** When it was last had; absent for files, and until this control plane has asked. */
  readonly fetchedMs?: number;
  /** Why what is held may be old. */
  readonly fault?: string;
}

export interface Federations {
  /** @throws Problem 409 for the mesh's own domain, 422 for a bundle that isn't as wanted, 502 when it can't be had */
  add(
    wanted: {
      readonly trustDomain: string;
      readonly url?: string | undefined;
      readonly bundle?: string | undefined;
    },
    actor: string,
  ): Promise<void>;
  /** @throws Problem 404 */
  remove(trustDomain: string, actor: string): Promise<void>;
  list(): Promise<readonly FederationStatus[]>;
  /** Asks the endpoints whose time has come. */
  refresh(): Promise<void>;
}

export interface FederationOptions {
  readonly core: Core;
  readonly fetch: ControlDependencies['fetchKeys'];
  readonly allowPrivate: boolean;
}

interface Tried {
  readonly atMs: number;
  readonly fetchedMs?: number | undefined;
  readonly fault?: string;
}

const textOf = (error: unknown): string =>
  error instanceof Error ? error.message : 'unknown fault';

function hintOf({ refreshHintMs = DEFAULT_HINT_MS }: Bundle): number {
  return Math.min(MAX_HINT_MS, Math.max(MIN_HINT_MS, refreshHintMs));
}

const contentOf = ({ roots, tokenKeys }: Pick<Bundle, 'roots' | 'tokenKeys'>): string =>
  JSON.stringify([roots, tokenKeys]);

class StoreFederations implements Federations {
  readonly #options: FederationOptions;
  readonly #tried = new Map<string, Tried>();
  #refreshing: Promise<void> | undefined;

  constructor(options: FederationOptions) {
    this.#options = options;
  }

  async add(
    wanted: {
      readonly trustDomain: string;
      readonly url?: string | undefined;
      readonly bundle?: string | undefined;
    },
    actor: string,
  ): Promise<void> {
    const { core } = this.#options;
    const { trustDomain, url } = wanted;
    await this.#requireOther(trustDomain);
    if ((url === undefined) === (wanted.bundle === undefined))
      throw refuse('want the URL of a bundle endpoint or a bundle, one of both');
    if (url !== undefined) this.#requireUrl(url);
    const bundle = readBundle(wanted.bundle ?? (await this.#get(url ?? '')));
    const nowMs = core.nowMs();
    await this.#put(
      {
        trustDomain,
        ...(url === undefined ? {} : { url }),
        ...this.#parts(bundle),
        addedMs: nowMs,
        changedMs: nowMs,
        actor,
      },
      { actor, message: `federation with ${trustDomain}` },
    );
    this.#tried.set(trustDomain, { atMs: nowMs, fetchedMs: nowMs });
  }

  async remove(trustDomain: string, actor: string): Promise<void> {
    const { core } = this.#options;
    if (!(await core.views.current()).federations.has(trustDomain))
      throw new Problem(404, 'not found', `no federation with ${trustDomain}`);
    await commit(core, [{ op: 'delete', key: FEDERATION_PREFIX + trustDomain }], {
      actor,
      message: `federation with ${trustDomain} ended`,
    });
    this.#tried.delete(trustDomain);
  }

  async list(): Promise<readonly FederationStatus[]> {
    const { federations } = await this.#options.core.views.current();
    return [...federations.values()].map(
      ({ roots, tokenKeys, addedMs: _added, actor: _actor, ...rest }) => {
        const { fetchedMs, fault } = this.#tried.get(rest.trustDomain) ?? {};
        return {
          ...rest,
          roots: roots.length,
          tokenKeys: tokenKeys.length,
          ...(fetchedMs === undefined || rest.url === undefined ? {} : { fetchedMs }),
          ...(fault === undefined ? {} : { fault }),
        };
      },
    );
  }

  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refreshAll().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refreshAll(): Promise<void> {
    const { core } = this.#options;
    const { federations } = await core.views.current();
    for (const held of federations.values()) {
      const tried = this.#tried.get(held.trustDomain);
      const waitMs = tried?.fault === undefined ? held.refreshHintMs : RETRY_MS;
      if (held.url === undefined || core.nowMs() - (tried?.atMs ?? -Infinity) < waitMs) continue;
      await this.#renew(held, held.url);
    }
  }

  async #renew(held: Federation, url: string): Promise<void> {
    const { core } = this.#options;
    const atMs = core.nowMs();
    const before = this.#tried.get(held.trustDomain);
    try {
      const bundle = readBundle(await this.#get(url));
      const { sequence = 0 } = held;
      if ((bundle.sequence ?? sequence) < sequence)
        throw new Error(`its sequence went back from ${sequence} to ${bundle.sequence}`);
      if (contentOf(bundle) !== contentOf(held))
        await this.#put(
          { ...held, ...this.#parts(bundle), changedMs: atMs },
          { actor: 'federation', message: `bundle of ${held.trustDomain} changed` },
        );
      this.#tried.set(held.trustDomain, { atMs, fetchedMs: atMs });
    } catch (error) {
      const fault = textOf(error);
      this.#tried.set(held.trustDomain, { atMs, fetchedMs: before?.fetchedMs, fault });
      core.log(`bundle of ${held.trustDomain} could not be had from ${url}: ${fault}`);
    }
  }

  #parts(bundle: Bundle): Pick<Federation, 'roots' | 'tokenKeys' | 'refreshHintMs' | 'sequence'> {
    const { roots, tokenKeys, sequence } = bundle;
    return {
      roots,
      tokenKeys,
      refreshHintMs: hintOf(bundle),
      ...(sequence === undefined ? {} : { sequence }),
    };
  }

  async #put(
    federation: Federation,
    by: { readonly actor: string; readonly message: string },
  ): Promise<void> {
    const key = FEDERATION_PREFIX + federation.trustDomain;
    await commit(this.#options.core, [{ op: 'put', key, value: JSON.stringify(federation) }], by);
  }

  async #requireOther(trustDomain: string): Promise<void> {
    const { core } = this.#options;
    const fault = trustDomainFault(trustDomain);
    if (fault !== undefined) throw refuse(fault);
    const [own, { federations }] = await Promise.all([core.domains(), core.views.current()]);
    if (trustDomain === own.trustDomain || own.aliases.includes(trustDomain))
      throw new Problem(
        409,
        'conflict',
        `${trustDomain} is this mesh's own trust domain or an alias of it`,
      );
    if (federations.size >= MAX_DOMAINS && !federations.has(trustDomain))
      throw refuse(`a mesh federates with at most ${MAX_DOMAINS} domains`);
  }

  #requireUrl(url: string): void {
    const { allowPrivate } = this.#options;
    const fault = uriFault(url, allowPrivate);
    if (fault !== undefined) throw refuse(`url ${url}: ${fault}`);
    if (!url.startsWith('https:') && !allowPrivate) throw refuse(`url ${url}: want https`);
  }

  /** @throws Problem 502 */
  async #get(url: string): Promise<string> {
    this.#requireUrl(url);
    try {
      const response = await this.#options.fetch(url, {
        signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
        redirect: 'manual',
      });
      return await readAnswer(response);
    } catch (error) {
      throw new Problem(502, 'bad gateway', `${url}: ${textOf(error)}`);
    }
  }
}

export function createFederations(options: FederationOptions): Federations {
  return new StoreFederations(options);
}
