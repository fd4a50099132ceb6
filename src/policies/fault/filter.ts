/** Delays and aborts, drawn independently, before any attempt is made. */
import type { Host } from '../../host/host.ts';
import type { Exchange, LocalReply } from '../../model/exchange.ts';
import type { Filter, FilterAnswer, PolicyFilter } from '../../model/policy.ts';
import type { FaultConfig } from './config.ts';

/** Percents are exact to 0.0001, as in Envoy's denominators. */
function isDrawn(percent: number, host: Host): boolean {
  if (percent >= 100) return true;
  return percent > 0 && host.random.uniform() * 1_000_000 < Math.round(percent * 10_000);
}

function abortReply(abort: NonNullable<FaultConfig['abort']>): LocalReply {
  const grpc: LocalReply['headers'] =
    abort.grpcStatus === undefined
      ? [['content-type', 'text/plain']]
      : [
          ['content-type', 'application/grpc'],
          ['grpc-status', String(abort.grpcStatus)],
          ['grpc-message', 'fault filter abort'],
        ];
  return {
    status: abort.status,
    body: abort.grpcStatus === undefined ? 'fault filter abort' : '',
    headers: grpc,
    flag: 'FI',
    details: 'fault_filter_abort',
  };
}

function trace(
  { trace: steps, route }: Exchange,
  outcome: 'passed' | 'denied',
  detail: string,
): void {
  const at = route === undefined ? {} : { origin: route.origin };
  steps?.push({ step: 'policy', name: 'fault', outcome, detail, ...at });
}

class FaultFilter implements Filter {
  readonly #config: FaultConfig;
  readonly #host: Host;

  constructor(config: FaultConfig, host: Host) {
    this.#config = config;
    this.#host = host;
  }

  request(x: Exchange): FilterAnswer {
    const { delay } = this.#config;
    if (delay === undefined || !isDrawn(delay.percent, this.#host)) return this.#abort(x);
    trace(x, 'passed', `delay of ${delay.ms} ms, drawn at ${delay.percent} %`);
    x.flags = x.flags === '' ? 'DI' : `${x.flags},DI`;
    return this.#host.clock.sleep(delay.ms).then(() => this.#abort(x));
  }

  #abort(x: Exchange): LocalReply | undefined {
    const { abort } = this.#config;
    if (abort === undefined || !isDrawn(abort.percent, this.#host)) return undefined;
    trace(x, 'denied', `abort with ${abort.status}, drawn at ${abort.percent} %`);
    return abortReply(abort);
  }
}

export const faultFilter: PolicyFilter = {
  kind: 'fault',
  phase: 'fault',
  link: (config, { host }) => new FaultFilter(config as FaultConfig, host),
};
