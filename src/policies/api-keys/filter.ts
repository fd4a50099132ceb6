/** API keys at run time: looked up by their hash. Nothing passes that wasn't looked up. */
import type { ApiKeyEntry } from '../../lib/api-key.ts';
import { MAX_API_KEY_LENGTH, MIN_API_KEY_LENGTH, parseApiKeyEntry } from '../../lib/api-key.ts';
import { sha256Hex } from '../../lib/hash.ts';
import { isPreflight } from '../../lib/preflight.ts';
import { headerSpellings } from '../../lib/sender-headers.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { RequestIdentity } from '../../model/identity.ts';
import type { Filter, LinkContext, PolicyFilter } from '../../model/policy.ts';
import { namedIdentity, plainReply, policyStep } from '../answers.ts';
import { SecretEntries, logSkippedLines } from '../secret-entries.ts';
import type { ApiKeysConfig, KeyPlace } from './config.ts';
import { CONSUMER } from './config.ts';
import { keysAt, stripKey } from './locate.ts';

const ISSUER = 'apikey';
/** Visible ASCII, as keys travel in headers, queries and cookies. */
const KEY = /^[\x21-\x7e]+$/;
interface Known extends ApiKeyEntry {
  readonly identity: RequestIdentity;
}

type Table = ReadonlyMap<string, Known>;

function addEntries(
  table: Map<string, Known>,
  name: string,
  texts: readonly string[],
): readonly number[] {
  const identity = namedIdentity(ISSUER, name);
  return texts.flatMap((text, index) => {
    const entry = parseApiKeyEntry(text);
    if (entry === undefined) return [index + 1];
    table.set(entry.sha256, { ...entry, identity });
    return [];
  });
}

const CHALLENGE = [['www-authenticate', 'ApiKey']] as const;
const UNAVAILABLE = plainReply(503, 'authentication unavailable', 'api_keys_secret_missing');

const NO_KEYS: readonly string[] = [];

class ApiKeysFilter implements Filter {
  readonly #config: ApiKeysConfig;
  readonly #context: LinkContext;
  readonly #own: Table;
  /** Headers that no client may send. */
  readonly #cleaned: readonly string[];
  readonly #ofSecret: SecretEntries<Table>;

  constructor(config: ApiKeysConfig, context: LinkContext) {
    this.#config = config;
    this.#context = context;
    const own = new Map<string, Known>();
    for (const { name, hashes } of config.keys)
      if (addEntries(own, name, hashes).length > 0)
        throw new Error(`${config.policy}: a hash of ${name} is none`);
    this.#own = own;
    this.#ofSecret = new SecretEntries(context, config.secret, (values) => this.#tableOf(values));
    const { consumerHeader } = config;
    this.#cleaned = consumerHeader === undefined ? [] : headerSpellings(consumerHeader);
  }

  request(x: Exchange): LocalReply | undefined {
    const found = this.#keysOf(x);
    for (const name of this.#cleaned) if (x.request.has(name)) x.request.remove(name);
    if (this.#config.passesPreflight && isPreflight(x.method, x.request)) return undefined;
    const [key, ...others] = found;
    if (key === undefined) {
      const { isOptional } = this.#config;
      this.#trace(x, isOptional ? 'passed' : 'denied', 'no API key');
      return isOptional ? undefined : this.#refuse(x, 'api_key_missing');
    }
    if (others.length > 0) return this.#deny(x, 'api_key_ambiguous');
    const isForm =
      key.length >= MIN_API_KEY_LENGTH && key.length <= MAX_API_KEY_LENGTH && KEY.test(key);
    return isForm ? this.#judge(x, key) : this.#deny(x, 'api_key_malformed');
  }

  /** What isn't HTTP brings no key. */
  connection(x: Exchange): boolean {
    x.details = 'api_key_missing';
    return false;
  }

  #keysOf(x: Exchange): readonly string[] {
    let found = NO_KEYS;
    for (const place of this.#config.from) {
      const keys = keysAt(x, place);
      if (keys.length > 0) found = found.length === 0 ? keys : [...found, ...keys];
    }
    return found;
  }

  #judge(x: Exchange, key: string): LocalReply | undefined {
    const config = this.#config;
    const hash = sha256Hex(key);
    const ofSecret = this.#ofSecret.read();
    const found = this.#own.get(hash) ?? ofSecret?.get(hash);
    if (found === undefined) {
      if (ofSecret !== undefined) return this.#deny(x, 'api_key_unknown');
      this.#trace(x, 'denied', `there is no Secret ${config.secret ?? ''}`);
      x.decidedBy = config.policy;
      return UNAVAILABLE;
    }
    if (found.expiresMs !== undefined && found.expiresMs <= this.#context.host.clock.nowMs())
      return this.#deny(x, 'api_key_expired');
    const { identity } = found;
    // Of several proofs a token's says more: it was there first, and stays.
    x.identity ??= identity;
    if (!config.forwardsKey) for (const place of config.from) this.#strip(x, place);
    if (config.consumerHeader !== undefined) x.request.set(config.consumerHeader, identity.subject);
    this.#trace(x, 'passed', `API key of ${identity.subject}`);
    return undefined;
  }

  #strip(x: Exchange, place: KeyPlace): void {
    if (keysAt(x, place).length > 0) stripKey(x, place);
  }

  #tableOf(values: Readonly<Record<string, string>>): Table {
    const table = new Map<string, Known>();
    for (const [name, text] of Object.entries(values)) {
      const filled = text.split(/\r?\n/).filter((line) => line.trim() !== '');
      const lines = CONSUMER.test(name) ? addEntries(table, name, filled) : [0];
      const { policy, secret } = this.#config;
      // Nor is the entry's name said.
      const message =
        'an entry of a Secret of API keys has lines that are no hashes, they are skipped';
      if (lines.length > 0) logSkippedLines(this.#context, { message, policy, secret, lines });
    }
    return table;
  }

  #deny(x: Exchange, details: string): LocalReply {
    this.#trace(x, 'denied', details.replaceAll('_', ' '));
    return this.#refuse(x, details);
  }

  #refuse(x: Exchange, details: string): LocalReply {
    x.decidedBy = this.#config.policy;
    const body = details === 'api_key_missing' ? 'api key required' : 'api key refused';
    return plainReply(401, body, details, CHALLENGE);
  }

  #trace(x: Exchange, outcome: 'passed' | 'denied', detail: string): void {
    x.trace?.push(policyStep(this.#config.policy, 'spec.apiKeys', outcome, detail));
  }
}

export const apiKeysFilter: PolicyFilter = {
  kind: 'apiKeys',
  phase: 'authn',
  link: (config, context) => new ApiKeysFilter(config as ApiKeysConfig, context),
};
