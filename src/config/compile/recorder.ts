/** A context that notes what a step reads of it, so that its result can be held against what would be read now. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { Resource } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { ProxyScope } from '../../model/snapshot.ts';
import type { GatewayApi } from '../gateway-api/resolve.ts';
import type { CompileContext } from './context.ts';
import { Origins } from './context.ts';

type Backend = GatewayApi['backend'];
type TlsOf = GatewayApi['backendTls']['of'];
type ClientCertificateOf = GatewayApi['clientCertificateOf'];

type What =
  | 'service'
  | 'delegate'
  | 'resources'
  | 'visible'
  | 'scope'
  | 'whole'
  | 'backend'
  | 'backendTls'
  | 'clientCertificate';

/** Each reading, as it is done for the first time and again. What is resolved anew for each revision is compared as text. */
const READINGS: Readonly<Record<What, (context: CompileContext, of: string) => unknown>> = {
  service: (context, host) => context.service(host),
  delegate: (context, name) => context.delegates.get(name),
  resources: (context, kind) => context.resources(kind),
  visible: (context, namespace) => context.registry.visibleTo(namespace),
  scope: (context, field) => context.scope[field as keyof ProxyScope],
  whole: (context, field) => context[field as 'mesh' | 'sidecar' | 'gatewayApi'],
  backend(context, args) {
    const [ref, from] = JSON.parse(args) as Parameters<Backend>;
    return canonicalJson(context.gatewayApi.backend(ref, from));
  },
  backendTls(context, args) {
    const [host, port] = JSON.parse(args) as Parameters<TlsOf>;
    return canonicalJson(context.gatewayApi.backendTls.of(host, port));
  },
  clientCertificate(context, args) {
    const [namespace, name] = JSON.parse(args) as Parameters<ClientCertificateOf>;
    return context.gatewayApi.clientCertificateOf(namespace, name);
  },
};

export interface Reading {
  readonly what: What;
  readonly of: string;
  readonly seen: unknown;
}

/** Would a step read the same in this context? */
export function readsTheSame(readings: readonly Reading[], context: CompileContext): boolean {
  return readings.every(({ what, of, seen }) => READINGS[what](context, of) === seen);
}

/** The larger part of a context that a reading belongs to: while it is the same object, so is whatever was read of it. */
export function facetOf({ what, of }: Reading, context: CompileContext): string {
  if (what === 'service') return `visible ${context.scope.namespace}`;
  if (what === 'backend' || what === 'backendTls' || what === 'clientCertificate')
    return 'whole gatewayApi';
  return what === 'delegate' || what === 'scope' ? what : `${what} ${of}`;
}

export function facetNow(context: CompileContext, facet: string): unknown {
  if (facet === 'delegate') return context.delegates;
  if (facet === 'scope') return context.scope;
  const [what = '', of = ''] = facet.split(' ');
  return READINGS[what as What](context, of);
}

export class Recorder implements CompileContext {
  readonly readings: Reading[] = [];
  readonly diagnostics: Diagnostic[] = [];
  readonly origins: Origins = new Origins();
  readonly called: Set<string> = new Set();
  readonly #context: CompileContext;
  #scope: ProxyScope | undefined;
  #gatewayApi: GatewayApi | undefined;

  constructor(context: CompileContext) {
    this.#context = context;
  }

  #read(what: What, of: string): unknown {
    const known = this.readings.find((reading) => reading.what === what && reading.of === of);
    if (known !== undefined) return known.seen;
    const seen = READINGS[what](this.#context, of);
    this.readings.push({ what, of, seen });
    return seen;
  }

  get memo(): CompileContext['memo'] {
    return this.#context.memo;
  }

  get compilers(): CompileContext['compilers'] {
    return this.#context.compilers;
  }

  get mesh(): CompileContext['mesh'] {
    return this.#read('whole', 'mesh') as CompileContext['mesh'];
  }

  get sidecar(): CompileContext['sidecar'] {
    return this.#read('whole', 'sidecar') as CompileContext['sidecar'];
  }

  get registry(): CompileContext['registry'] {
    return {
      visibleTo: (namespace) =>
        this.#read('visible', namespace) as ReturnType<CompileContext['registry']['visibleTo']>,
    };
  }

  get scope(): ProxyScope {
    this.#scope ??= this.#recordedScope();
    return this.#scope;
  }

  get gatewayApi(): GatewayApi {
    this.#gatewayApi ??= this.#recordedApi();
    return this.#gatewayApi;
  }

  #recordedScope(): ProxyScope {
    const read = <Field extends keyof ProxyScope>(field: Field) =>
      this.#read('scope', field) as Required<ProxyScope>[Field];
    return {
      get type() {
        return read('type');
      },
      get namespace() {
        return read('namespace');
      },
      get name() {
        return read('name');
      },
      get labels() {
        return read('labels');
      },
      get service() {
        return read('service');
      },
    };
  }

  #recordedApi(): GatewayApi {
    const whole = (): GatewayApi => this.#read('whole', 'gatewayApi') as GatewayApi;
    const api = this.#context.gatewayApi;
    const backend: Backend = (ref, from) => {
      this.#read('backend', JSON.stringify([ref, from]));
      return api.backend(ref, from);
    };
    const of: TlsOf = (host, port) => {
      this.#read('backendTls', JSON.stringify([host, port]));
      return api.backendTls.of(host, port);
    };
    const clientCertificateOf: ClientCertificateOf = (namespace, name) => {
      this.#read('clientCertificate', JSON.stringify([namespace, name]));
      return api.clientCertificateOf(namespace, name);
    };
    return {
      backend,
      clientCertificateOf,
      backendTls: {
        of,
        get outcomes() {
          return whole().backendTls.outcomes;
        },
      },
      get source() {
        return whole().source;
      },
      get gateways() {
        return whole().gateways;
      },
      get listenerSets() {
        return whole().listenerSets;
      },
      get outcomes() {
        return whole().outcomes;
      },
    };
  }

  service(host: string): ReturnType<CompileContext['service']> {
    return this.#read('service', host) as ReturnType<CompileContext['service']>;
  }

  get delegates(): CompileContext['delegates'] {
    return {
      get: (name) => this.#read('delegate', name) as ReturnType<CompileContext['delegates']['get']>,
    };
  }

  resources<Spec>(kind: string): readonly Resource<Spec>[] {
    return this.#read('resources', kind) as readonly Resource<Spec>[];
  }
}
