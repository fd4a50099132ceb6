/** HTTP Basic at run time. A derivation is dear: what held is remembered, what fails is counted, and few run at a time. */
import { sha256Hex } from '../../lib/hash.ts';
import type { PasswordHash } from '../../lib/password-hash.ts';
import { MAX_ITERATIONS, isPassword, parsePasswordHash } from '../../lib/password-hash.ts';
import { isPreflight } from '../../lib/preflight.ts';
import { headerSpellings, senderText } from '../../lib/sender-headers.ts';
import { TokenCache } from '../../lib/token-cache.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { Filter, FilterAnswer, LinkContext, PolicyFilter } from '../../model/policy.ts';
import { namedIdentity, plainReply, policyStep } from '../answers.ts';
import { SecretEntries, logSkippedLines } from '../secret-entries.ts';
import type { BasicAuthConfig } from './config.ts';
import { parseCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { Throttle } from './throttle.ts';

const ISSUER = 'basic';
const REMEMBERED_MS = 300_000;
const MAX_DERIVATIONS = 8;
const SALT_BYTES = 16;

type Users = ReadonlyMap<string, PasswordHash>;

interface Held {
  readonly identity: RequestIdentity;
  /** Of the user when it held: another password has another hash. */
  readonly hash: PasswordHash;
  readonly untilMs: number;
}

interface Judged {
  /** Under which it is remembered. */
  readonly name: string;
  readonly user: string;
  readonly hash: PasswordHash | undefined;
  readonly isRight: boolean;
}

class BasicAuthFilter implements Filter {
  readonly #config: BasicAuthConfig;
  readonly #context: LinkContext;
  readonly #own: Users;
  readonly #challenge: string;
  readonly #cleaned: readonly string[];
  readonly #throttle: Throttle;
  readonly #held = new TokenCache<Held>();
  /** Makes the names under which credentials are remembered useless elsewhere. */
  readonly #pepper: string;
  /** Derived in place of the hash of a user that isn't there. */
  #decoy: PasswordHash;
  /** Being derived; who brings the same meanwhile waits for the same. */
  readonly #verdicts = new Map<string, Promise<boolean>>();
  readonly #ofSecret: SecretEntries<Users>;

  constructor(config: BasicAuthConfig, context: LinkContext) {
    const { policy, realm, userHeader, throttle } = config;
    this.#config = config;
    this.#context = context;
    const own = new Map<string, PasswordHash>();
    for (const { name, hash: text } of config.users) {
      const hash = parsePasswordHash(text);
      if (hash === undefined) throw new Error(`${policy}: the hash of ${name} is none`);
      own.set(name, hash);
    }
    this.#own = own;
    this.#challenge = `Basic realm="${realm.replaceAll(/["\\]/g, String.raw`\$&`)}", charset="UTF-8"`;
    this.#cleaned = userHeader === undefined ? [] : headerSpellings(userHeader);
    this.#throttle = new Throttle(throttle);
    this.#pepper = context.host.random.hex(SALT_BYTES);
    this.#decoy = decoyLike(own);
    this.#ofSecret = new SecretEntries(context, config.secret, (values) => this.#usersOf(values));
  }

  request(x: Exchange): FilterAnswer {
    for (const name of this.#cleaned) if (x.request.has(name)) x.request.remove(name);
    if (this.#config.passesPreflight && isPreflight(x.method, x.request)) return undefined;
    const given = parseCredentials(x.request.getAll('authorization'));
    if (given === undefined) {
      const { isOptional } = this.#config;
      this.#trace(x, isOptional ? 'passed' : 'denied', 'no Basic credentials');
      return isOptional
        ? undefined
        : this.#refuse(x, 'authentication required', 'basic_auth_missing');
    }
    const nowMs = this.#context.host.clock.nowMs();
    const waitMs = this.#throttle.waitMs(x.remoteIp, nowMs);
    if (waitMs > 0) return this.#throttled(x, waitMs);
    if (given === 'malformed') {
      this.#throttle.failed(x.remoteIp, nowMs);
      return this.#fail(x, 'basic_auth_malformed');
    }
    const users = this.#ofSecret.read();
    const hash = this.#own.get(given.user) ?? users?.get(given.user);
    if (hash === undefined && users === undefined)
      return this.#unavailable(x, 'basic_auth_secret_missing');
    const name = sha256Hex(`${this.#pepper}${given.user}:${given.password}`);
    const held = this.#held.get(name);
    if (held !== undefined && held.untilMs > nowMs && held.hash === hash)
      return this.#pass(x, held.identity);
    const verdict = this.#verdicts.get(name) ?? this.#derive(given, hash, name);
    if (verdict === undefined) return this.#unavailable(x, 'basic_auth_busy');
    return verdict.then((isRight) => this.#conclude(x, { name, user: given.user, hash, isRight }));
  }

  /** What isn't HTTP brings no password. */
  connection(x: Exchange): boolean {
    x.details = 'basic_auth_missing';
    return false;
  }

  /** Undefined = too many run. */
  #derive(
    { password }: Credentials,
    hash: PasswordHash | undefined,
    name: string,
  ): Promise<boolean> | undefined {
    if (this.#verdicts.size >= MAX_DERIVATIONS) return undefined;
    const verdict = isPassword(password, hash ?? this.#decoy)
      .then((isRight) => isRight && hash !== undefined)
      .finally(() => this.#verdicts.delete(name));
    this.#verdicts.set(name, verdict);
    return verdict;
  }

  #conclude(x: Exchange, { name, user, hash, isRight }: Judged): LocalReply | undefined {
    const nowMs = this.#context.host.clock.nowMs();
    if (!isRight || hash === undefined) {
      this.#throttle.failed(x.remoteIp, nowMs);
      return this.#fail(x, 'basic_auth_failed');
    }
    const identity = namedIdentity(ISSUER, user);
    this.#held.set(name, { identity, hash, untilMs: nowMs + REMEMBERED_MS });
    return this.#pass(x, identity);
  }

  #pass(x: Exchange, identity: RequestIdentity): undefined {
    const { userHeader, forwardsCredentials } = this.#config;
    x.identity ??= identity;
    if (!forwardsCredentials) x.request.remove('authorization');
    if (userHeader !== undefined) x.request.set(userHeader, senderText(identity.subject));
    this.#trace(x, 'passed', `password of ${identity.subject}`);
  }

  #usersOf(values: Readonly<Record<string, string>>): Users {
    const { secret, policy } = this.#config;
    const { users, faults: lines } = readUsers(values['users'] ?? '');
    const message =
      'the entry users of a Secret has lines that are no user with a hash, they are skipped';
    if (lines.length > 0) logSkippedLines(this.#context, { message, policy, secret, lines });
    this.#decoy = decoyLike(new Map([...users, ...this.#own]));
    return users;
  }

  #fail(x: Exchange, details: string): LocalReply {
    this.#trace(x, 'denied', 'user or password are wrong');
    return this.#refuse(x, 'authentication failed', details);
  }

  #refuse(x: Exchange, body: string, details: string): LocalReply {
    x.decidedBy = this.#config.policy;
    return plainReply(401, body, details, [['www-authenticate', this.#challenge]]);
  }

  #unavailable(x: Exchange, details: string): LocalReply {
    this.#trace(x, 'denied', details.replaceAll('_', ' '));
    x.decidedBy = this.#config.policy;
    return plainReply(503, 'authentication unavailable', details);
  }

  #throttled(x: Exchange, waitMs: number): LocalReply {
    this.#trace(x, 'denied', 'the client failed too often');
    x.decidedBy = this.#config.policy;
    const seconds = String(Math.ceil(waitMs / 1000));
    return plainReply(429, 'too many attempts', 'basic_auth_throttled', [['retry-after', seconds]]);
  }

  #trace(x: Exchange, outcome: 'passed' | 'denied', detail: string): void {
    x.trace?.push(policyStep(this.#config.policy, 'spec.basicAuth', outcome, detail));
  }
}

/** As dear as the dearest. */
function decoyLike(users: Users): PasswordHash {
  let iterations = 0;
  for (const { iterations: own } of users.values()) iterations = Math.max(iterations, own);
  return {
    iterations: iterations === 0 ? MAX_ITERATIONS : iterations,
    salt: new Uint8Array(SALT_BYTES),
    hash: new Uint8Array(32),
  };
}

function readUsers(text: string): { readonly users: Users; readonly faults: readonly number[] } {
  const users = new Map<string, PasswordHash>();
  const faults: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    const hash = parsePasswordHash(line.slice(colon + 1));
    if (name === '' || hash === undefined || /[\x00-\x1f\x7f-\x9f]/.test(name))
      faults.push(index + 1);
    else users.set(name, hash);
  }
  return { users, faults };
}

export const basicAuthFilter: PolicyFilter = {
  kind: 'basicAuth',
  phase: 'authn',
  link: (config, context) => new BasicAuthFilter(config as BasicAuthConfig, context),
};
