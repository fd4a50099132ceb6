/** Size and type of request bodies. What has no declared length is counted by the driver. */
import type { BodyLimit, Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, PolicyFilter } from '../../model/policy.ts';
import { plainReply, policyStep } from '../answers.ts';
import type { BodyConfig } from './config.ts';

/** `type/subtype` of one content-type field. */
const MEDIA_TYPE = /^\s*([!#$&^_.+\w-]+)\/([!#$&^_.+\w-]+)\s*(?:;|$)/;

function typeTest(types: readonly string[]): (x: Exchange) => boolean {
  const exact = new Set(types);
  return ({ request }) => {
    const values = request.getAll('content-type');
    const match = values.length === 1 ? MEDIA_TYPE.exec(values[0] ?? '') : null;
    if (match === null) return false;
    const family = (match[1] ?? '').toLowerCase();
    return exact.has(`${family}/${(match[2] ?? '').toLowerCase()}`) || exact.has(`${family}/*`);
  };
}

class BodyFilter implements Filter {
  readonly #policy: string;
  readonly #limit: BodyLimit | undefined;
  readonly #takesType: ((x: Exchange) => boolean) | undefined;
  readonly #wrongType: LocalReply;

  constructor({ policy, maxBytes, contentTypes }: BodyConfig) {
    this.#policy = policy;
    this.#limit =
      maxBytes === undefined
        ? undefined
        : {
            maxBytes,
            policy,
            reply: plainReply(413, 'payload too large', `request_payload_too_large[${policy}]`),
          };
    this.#takesType = contentTypes === undefined ? undefined : typeTest(contentTypes);
    this.#wrongType = plainReply(
      415,
      'unsupported media type',
      `request_media_type_refused[${policy}]`,
    );
  }

  request(x: Exchange): LocalReply | undefined {
    if (!x.request.hasBody) {
      this.#trace(x, 'not-matched', 'no body', 'spec.body');
      return undefined;
    }
    if (this.#takesType?.(x) === false) {
      const seen = x.request.get('content-type') ?? 'none';
      return this.#refuse(x, this.#wrongType, 'contentTypes', `content-type ${seen}`);
    }
    const limit = this.#limit;
    if (limit !== undefined) {
      const declared = x.request.get('content-length');
      if (declared !== undefined && Number(declared) > limit.maxBytes)
        return this.#refuse(x, limit.reply, 'maxBytes', `content-length ${declared}`);
      if (x.bodyLimit === undefined || x.bodyLimit.maxBytes > limit.maxBytes) x.bodyLimit = limit;
    }
    this.#trace(x, 'passed', 'body', 'spec.body');
    return undefined;
  }

  #refuse(x: Exchange, reply: LocalReply, field: string, seen: string): LocalReply {
    x.decidedBy = this.#policy;
    this.#trace(x, 'denied', `body.${field}: ${seen}`, `spec.body.${field}`);
    return reply;
  }

  #trace(
    x: Exchange,
    outcome: 'denied' | 'passed' | 'not-matched',
    detail: string,
    path: string,
  ): void {
    x.trace?.push(policyStep(this.#policy, path, outcome, detail));
  }
}

export const bodyFilter: PolicyFilter = {
  kind: 'body',
  phase: 'limit',
  link: (config) => new BodyFilter(config as BodyConfig),
};
