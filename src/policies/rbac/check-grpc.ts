/** An authorizer that is asked over gRPC: envoy.service.auth.v3.Authorization/Check. */
import type { CallAnswer } from '../../host/host.ts';
import { isGrpcType } from '../../lib/grpc-status.ts';
import type { GrpcAuthorizer } from '../../model/authorizer.ts';
import type { Exchange } from '../../model/exchange.ts';
import type { LinkContext } from '../../model/policy.ts';
import { encodeConnectionCheck, encodeHttpCheck } from './check-request.ts';
import { decodeCheckResponse } from './check-response.ts';
import type { Check, CheckVerdict, SentBody } from './check-verdict.ts';
import { failed } from './check-verdict.ts';

const TARGET = '/envoy.service.auth.v3.Authorization/Check';
/** Of a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
const MAX_MESSAGE_BYTES = 65_536;
/** What is cut off has no trailers, so one byte more than is taken shows that there was more. */
const MAX_ANSWER_BYTES = PREFIX_BYTES + MAX_MESSAGE_BYTES + 1;
const MAX_TIMEOUT_VALUE = 99_999_999;

function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/** Exactly one message, as it is. Undefined = there is something else. */
function unframed(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < PREFIX_BYTES || bytes[0] !== 0) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
  return length === bytes.length - PREFIX_BYTES ? bytes.subarray(PREFIX_BYTES) : undefined;
}

const timeoutText = (ms: number): string =>
  ms <= MAX_TIMEOUT_VALUE ? `${Math.ceil(ms)}m` : `${Math.ceil(ms / 1000)}S`;

function verdictOf({ status, headers, body, trailers = [] }: CallAnswer): CheckVerdict {
  const valueOf = (wanted: string): string | undefined =>
    [...trailers, ...headers].find(([name]) => name === wanted)?.[1];
  if (status !== 200) return failed(`status ${status}`);
  if (!isGrpcType(valueOf('content-type'))) return failed('the answer is not gRPC');
  const grpcStatus = valueOf('grpc-status');
  if (grpcStatus !== '0') return failed(`grpc-status ${grpcStatus ?? 'missing'}`);
  const message = unframed(body);
  return message === undefined
    ? failed('the answer is not one plain message')
    : decodeCheckResponse(message);
}

class GrpcCheck implements Check {
  readonly #authorizer: GrpcAuthorizer & { readonly cluster: string };
  readonly #context: LinkContext;

  constructor(authorizer: GrpcAuthorizer & { readonly cluster: string }, context: LinkContext) {
    this.#authorizer = authorizer;
    this.#context = context;
  }

  ask(x: Exchange, body: SentBody | undefined): Promise<CheckVerdict> {
    return this.#check(encodeHttpCheck(x, body, this.#authorizer.body?.asBytes === true));
  }

  askConnection(x: Exchange): Promise<CheckVerdict> {
    return this.#check(encodeConnectionCheck(x));
  }

  async #check(message: Uint8Array): Promise<CheckVerdict> {
    const { cluster, service, port, timeoutMs } = this.#authorizer;
    try {
      const answer = await this.#context.call(cluster, {
        method: 'POST',
        authority: `${service}:${port}`,
        target: TARGET,
        headers: [
          ['content-type', 'application/grpc'],
          ['te', 'trailers'],
          ['grpc-timeout', timeoutText(timeoutMs)],
        ],
        body: framed(message),
        overHttp2: true,
        timeoutMs,
        maxBodyBytes: MAX_ANSWER_BYTES,
      });
      return verdictOf(answer);
    } catch (error) {
      return failed(error instanceof Error ? error.message : 'no answer');
    }
  }
}

export function createGrpcCheck(
  authorizer: GrpcAuthorizer & { readonly cluster: string },
  context: LinkContext,
): Check {
  return new GrpcCheck(authorizer, context);
}
