/** Runs cases against the pure engine: config path, link, simulate; no sockets. */
import { createFakeHost } from '../../src/host/fake-host.ts';
import { analyse } from '../../src/config/analyse/index.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { Admission } from '../../src/model/config.ts';
import type { KeyOverlay, ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { filters } from '../../src/presets/node.ts';
import { link } from '../../src/proxy/index.ts';
import { simulate } from '../../src/simulate/index.ts';
import { fillResources } from './cases.ts';
import type { CaseProxy, CaseRequest, ConformanceCase } from './cases.ts';
import { conditionsOf, upstreamOf, withReadyServices } from './gateway-api.ts';
import { placeToken } from './tokens.ts';
import type { Minter } from './tokens.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a target answers to a check, or why it can't be asked. */
export type Answer =
  | {
      readonly fields: Fields;
      /** Fields that it can't be asked, each with the reason. */
      readonly omit?: Readonly<Record<string, string>>;
      /** What the check is held to instead, where the target answers safely but otherwise. */
      readonly expect?: Fields;
    }
  | { readonly skip: string }
  /** It was asked in vain. */
  | { readonly fault: string };

/** What a case may be asked of: a decision, or what admission and analysis say. */
export interface Target {
  /** One answer a check, in order; `expect` of the checks is what they are held to. */
  decide(entry: ConformanceCase, minter: Minter): Promise<readonly Answer[]>;
  close(): Promise<void>;
}

export function admitCase(entry: ConformanceCase, minter: Minter): Admission {
  const text = fillResources(entry.resources, minter.jwks);
  return readConfig([{ file: `${entry.id}.yaml`, text }], { kinds });
}

/** Codes that analysis reports, each once. */
export function findingsOf(entry: ConformanceCase, minter: Minter): string[] {
  const admission = admitCase(entry, minter);
  const found = [...admission.diagnostics, ...analyse(admission.resources)];
  return [...new Set(found.map((diagnostic) => diagnostic.code))];
}

export function scopeOf(proxy: CaseProxy): ProxyScope {
  return {
    type: proxy.type,
    namespace: proxy.namespace,
    name: proxy.name ?? 'proxy',
    labels: proxy.labels ?? {},
    ...(proxy.service === undefined ? {} : { service: proxy.service }),
  };
}

/** Keys for every URI but those under `.invalid`, which stand for an authority out of reach. */
export function keysFor(uris: readonly string[], minter: Minter, nowMs: number): KeyOverlay {
  const reachable = uris.filter(
    (uri) => !/^(?:issuer:)?https?:\/\/[^/]*\.invalid(?:[:/]|$)/.test(uri),
  );
  return {
    version: 'conformance',
    sets: Object.fromEntries(
      reachable.map((uri) => [uri, { keys: minter.keys, fetchedAtMs: nowMs }]),
    ),
  };
}

export function createPureTarget(nowMs: number): Target {
  return {
    async decide(entry, minter) {
      if (entry.proxy === undefined) return [];
      const all = admitCase(entry, minter).resources.map(({ resource }) => resource);
      const compiled = compile({ resources: all, scope: scopeOf(entry.proxy) }, policyCompilers);
      const keys = keysFor(compiled.jwksUris, minter, nowMs);
      const endpoints = withReadyServices(compiled.endpoints, all);
      const conditions = conditionsOf(all);
      const answers: Answer[] = [];
      for (const check of entry.checks ?? []) {
        if (check.request === undefined) {
          answers.push({ fields: { conditions } });
          continue;
        }
        const request = await placeToken(check.request, minter);
        const host = createFakeHost({
          nowMs,
          sleepless: true,
          ...(request.random === undefined ? {} : { fallback: request.random }),
        });
        const linked = link(compiled.named, endpoints, keys, { host, filters });
        const decision = await simulate({
          linked,
          host,
          request: toSimulated(request),
          upstream: upstreamOf(all),
        });
        answers.push({ fields: decision as unknown as Fields });
      }
      return answers;
    },
    close: () => Promise.resolve(),
  };
}

function toSimulated(request: CaseRequest): Parameters<typeof simulate>[0]['request'] {
  const { claims: _claims, token: _token, random: _random, ...rest } = request;
  return rest;
}
