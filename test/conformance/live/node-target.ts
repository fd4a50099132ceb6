/** Runs cases through proxies of the Node adapter in this process, over sockets on loopback. */
import { compile } from '../../../src/config/compile/index.ts';
import { secretNames, secretsOf } from '../../../src/config/secrets.ts';
import { policyCompilers } from '../../../src/presets/control.ts';
import type { CaseProxy, Check, ConformanceCase } from '../cases.ts';
import { withReadyServices } from '../gateway-api.ts';
import type { Answer, Target } from '../pure-target.ts';
import { admitCase, keysFor, scopeOf } from '../pure-target.ts';
import type { Minter } from '../tokens.ts';
import { placeToken } from '../tokens.ts';
import { ask } from './ask.ts';
import type { Capabilities } from './capabilities.ts';
import { readCapabilities } from './capabilities.ts';
import { Certificates } from './certificates.ts';
import type { LiveOptions } from './gateway-target.ts';
import type { Staged } from './stage.ts';
import { Stage } from './stage.ts';

class NodeTarget implements Target {
  readonly #certificates = new Certificates();
  readonly #capabilities: Capabilities;
  readonly #nowMs: number;

  constructor({ nowMs, capabilitiesFile }: LiveOptions) {
    this.#capabilities = readCapabilities(capabilitiesFile, 'node');
    this.#nowMs = nowMs;
  }

  async decide(entry: ConformanceCase, minter: Minter): Promise<readonly Answer[]> {
    const { proxy, checks = [] } = entry;
    if (proxy === undefined) return [];
    const limits = checks.map((check, index) => this.#capabilities.limitOf(entry.id, index, check));
    const skipped = limits.map((limit): Answer => ({ skip: limit?.reason ?? '' }));
    if (limits.every((limit) => limit !== undefined && limit.expect === undefined)) return skipped;
    const stage = await Stage.open(this.#stagedOf(entry, proxy, minter));
    try {
      const answers: Answer[] = [];
      for (const [index, check] of checks.entries()) {
        const { expect } = limits[index] ?? {};
        if (limits[index] !== undefined && expect === undefined)
          answers.push(skipped[index] as Answer);
        else
          answers.push({
            ...(await this.#answer(stage, check, minter)),
            ...(expect === undefined ? {} : { expect }),
          });
      }
      return answers;
    } finally {
      await stage.close();
    }
  }

  close(): Promise<void> {
    this.#certificates.close();
    return Promise.resolve();
  }

  async #answer(stage: Stage, check: Check, minter: Minter): Promise<Answer> {
    try {
      const request = await placeToken(check.request ?? {}, minter);
      return { fields: await ask(stage, request, check), omit: this.#capabilities.fields };
    } catch (error) {
      return { fault: error instanceof Error ? error.message : String(error) };
    }
  }

  #stagedOf(entry: ConformanceCase, proxy: CaseProxy, minter: Minter): Staged {
    const resources = admitCase(entry, minter).resources.map(({ resource }) => resource);
    const compiled = compile({ resources, scope: scopeOf(proxy) }, policyCompilers);
    const { named } = compiled;
    return {
      configuration: {
        named,
        endpoints: withReadyServices(compiled.endpoints, resources),
        keys: keysFor(compiled.jwksUris, minter, this.#nowMs),
      },
      secrets: secretsOf(secretNames(named.snapshot), resources).secrets,
      certificates: this.#certificates,
    };
  }
}

export function createNodeTarget(options: LiveOptions): Promise<Target> {
  return Promise.resolve(new NodeTarget(options));
}
