/** What authorization decided, and what it would have: by listener, as plain JSON. */
import type { PolicyMarks, ShadowResult } from '../model/exchange.ts';
import type { EngineExchange } from './exchange.ts';

export interface AuthorizationCounts {
  /** By an ALLOW policy, as `namespace/name`. */
  readonly allowed: Readonly<Record<string, number>>;
  /** By policy; those that no ALLOW policy took are under ''. */
  readonly denied: Readonly<Record<string, number>>;
  /** Results of policies in dry run, and the rule that made each, as a policy id; '' = none did. */
  readonly shadow: readonly ShadowCount[];
  /** Answers of external authorizers, by provider and result. */
  readonly asked: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface ShadowCount {
  readonly action: 'ALLOW' | 'DENY';
  readonly result: ShadowResult['result'];
  readonly policyId: string;
  readonly count: number;
}

/** Policies come and go with configurations; were there ever so many, the rest is counted together. */
const MAX_NAMES = 1024;
const OTHER = 'other';
const RBAC = 'rbac_access_denied';

class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    const counts = this.#counts;
    const key = counts.has(name) || counts.size < MAX_NAMES ? name : OTHER;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  view(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

export class AuthorizationCounters {
  readonly #allowed = new Tally();
  readonly #denied = new Tally();
  readonly #shadow = new Map<
    string,
    { -readonly [Field in keyof ShadowCount]: ShadowCount[Field] }
  >();
  readonly #asked = new Map<string, Tally>();

  /** Nothing is counted where no policy had a say. */
  static concerns({ decidedRule, marks, reply }: EngineExchange): boolean {
    return (
      decidedRule !== undefined || marks !== undefined || reply?.details.startsWith(RBAC) === true
    );
  }

  add(x: EngineExchange): void {
    const isRefused = x.reply?.details.startsWith(RBAC) === true;
    if (isRefused) this.#denied.add(x.decidedRule === undefined ? '' : x.decidedBy);
    else if (x.decidedRule !== undefined && x.reply?.details.startsWith('ext_authz') !== true)
      this.#allowed.add(x.decidedBy);
    if (x.marks !== undefined) this.#addMarks(x.marks);
  }

  view(): AuthorizationCounts {
    return {
      allowed: this.#allowed.view(),
      denied: this.#denied.view(),
      shadow: [...this.#shadow.values()].map((count) => ({ ...count })),
      asked: Object.fromEntries([...this.#asked].map(([name, tally]) => [name, tally.view()])),
    };
  }

  #addMarks({ shadowAllow, shadowDeny, asked = [] }: PolicyMarks): void {
    if (shadowDeny !== undefined) this.#addShadow('DENY', shadowDeny);
    if (shadowAllow !== undefined) this.#addShadow('ALLOW', shadowAllow);
    for (const { provider, result } of asked) {
      let tally = this.#asked.get(provider);
      if (tally === undefined) {
        tally = new Tally();
        this.#asked.set(provider, tally);
      }
      tally.add(result);
    }
  }

  #addShadow(action: ShadowCount['action'], { result, policyId = '' }: ShadowResult): void {
    const wanted = `${action} ${result} ${policyId}`;
    const isNew = !this.#shadow.has(wanted) && this.#shadow.size >= MAX_NAMES;
    const key = isNew ? `${action} ${result} ${OTHER}` : wanted;
    const known = this.#shadow.get(key);
    if (known !== undefined) known.count++;
    else this.#shadow.set(key, { action, result, policyId: isNew ? OTHER : policyId, count: 1 });
  }
}
