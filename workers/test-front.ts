/**
 * A front before the gateway for conformance runs: behind a token it says what a network would (draw, peer, port),
 * and tells which policy decided. A build of its own: release bundles have nothing of it.
 */
import { APP_ADDRESS } from './gateway/dial.ts';
import type { GatewayEnv } from './gateway/env.ts';
import { Gateway } from './gateway/serve.ts';
import type { GatewayContext } from './gateway/serve.ts';
import type { Bundle } from '../src/delivery/bundle.ts';
import type { Exchange } from '../src/model/exchange.ts';
import type { Peer } from '../src/model/identity.ts';
import type { EndpointOverlay, ProxyScope } from '../src/model/snapshot.ts';
import { reportOf } from './test-report.ts';

interface FrontEnv extends GatewayEnv {
  readonly TEST_TOKEN: string;
}

/** What the runner asks for, as JSON in base64 in one header. */
export interface FrontQuestion {
  readonly token: string;
  /** Under its name the case's configuration is pulled. */
  readonly scope: ProxyScope;
  readonly scheme: 'http' | 'https';
  readonly port: number;
  readonly peer: Peer;
  readonly random: number;
}

const QUESTION_HEADER = 'x-lateen-test';
const REPORT_HEADER = 'x-lateen-test-report';
const MAX_GATEWAYS = 100;
const FOREVER_MS = '1000000000';

interface Case {
  readonly gateway: Gateway;
  question: FrontQuestion;
  last: Exchange | undefined;
  /** Question and report belong to one request at a time. */
  isBusy: boolean;
}

const cases = new Map<string, Case>();

const encode = (value: unknown): string => btoa(encodeURIComponent(JSON.stringify(value)));
const decode = (text: string): unknown => JSON.parse(decodeURIComponent(atob(text)));

/**
 * Every endpoint answers under the name of its cluster, so that the backend knows for which one it stands;
 * a sidecar's own service is reached as a deployment reaches it.
 */
function nameEndpoints({ named, endpoints }: Bundle): EndpointOverlay {
  const { clusters, scope } = named.snapshot;
  const isApp = scope.type === 'sidecar-inbound';
  const renamed = clusters.map(({ name, port, service }, index) => [
    name,
    isApp && service === scope.service
      ? [{ address: APP_ADDRESS, port, weight: 1, healthy: true }]
      : (endpoints.clusters[name] ?? []).map((endpoint) => ({
          ...endpoint,
          address: `c${index}.backend.test`,
        })),
  ]);
  return {
    version: endpoints.version,
    clusters: Object.fromEntries(renamed) as EndpointOverlay['clusters'],
  };
}

function caseFor(question: FrontQuestion): Case {
  const { name } = question.scope;
  let found = cases.get(name);
  if (found === undefined) {
    const made: Case = {
      question,
      last: undefined,
      isBusy: false,
      gateway: new Gateway({
        random: {
          uniform: () => made.question.random,
          hex: (length) =>
            [...crypto.getRandomValues(new Uint8Array(length))]
              .map((byte) => byte.toString(16).padStart(2, '0'))
              .join(''),
        },
        log: () => undefined,
        arrived: () => ({ peer: made.question.peer, port: made.question.port }),
        observe: (x) => {
          made.last = x;
        },
        adapt: nameEndpoints,
      }),
    };
    found = made;
    const [oldest] = cases.keys();
    if (cases.size >= MAX_GATEWAYS && oldest !== undefined) cases.delete(oldest);
    cases.set(name, found);
  }
  return found;
}

function questionOf(request: Request, token: string): FrontQuestion | undefined {
  try {
    const question = decode(request.headers.get(QUESTION_HEADER) ?? '') as FrontQuestion;
    return token !== '' && question.token === token ? question : undefined;
  } catch {
    return undefined;
  }
}

/** As it came wherever that can be: a Request that is made anew has its URL parsed, which the platform's has not. */
function withScheme(request: Request, scheme: string): Request {
  if (request.url.startsWith(`${scheme}:`)) return request;
  return new Request(request.url.replace(/^https?:/, `${scheme}:`), request);
}

async function ask(
  asked: Case,
  question: FrontQuestion,
  env: FrontEnv,
  gate: { readonly request: Request; readonly context: GatewayContext },
): Promise<Response> {
  const { scope, scheme } = question;
  const direction = scope.type === 'sidecar-outbound' ? 'outbound' : 'inbound';
  const name = direction === 'outbound' ? 'OUTBOUND_SCOPE' : 'SCOPE';
  const own = { ...env, [name]: JSON.stringify(scope), SOFT_TTL_MS: FOREVER_MS };
  asked.question = question;
  asked.last = undefined;
  const forwarded = withScheme(gate.request, scheme);
  const response = await asked.gateway.serve(
    forwarded,
    { direction, isPublic: true },
    own,
    gate.context,
  );
  const answer = new Response(response.body, response);
  answer.headers.set(REPORT_HEADER, encode(reportOf(asked.last)));
  return answer;
}

async function serve(request: Request, env: FrontEnv, context: GatewayContext): Promise<Response> {
  const question = questionOf(request, env.TEST_TOKEN);
  if (question === undefined) return new Response(null, { status: 404 });
  const asked = caseFor(question);
  if (asked.isBusy) return new Response('one request of a case at a time', { status: 409 });
  asked.isBusy = true;
  try {
    return await ask(asked, question, env, { request, context });
  } finally {
    asked.isBusy = false;
  }
}

const front: { readonly fetch: typeof serve } = { fetch: serve };
export default front;
