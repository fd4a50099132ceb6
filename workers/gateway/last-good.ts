/** The last configuration that could be linked, in the data centre's cache: an isolate that starts while control is away serves it. */
import type {
  EndpointOverlay,
  KeyOverlay,
  NamedSnapshot,
  ProxyScope,
} from '../../src/model/snapshot.ts';

export interface Bundle {
  readonly named: NamedSnapshot;
  readonly endpoints: EndpointOverlay;
  readonly keys: KeyOverlay;
}

export interface LastGood {
  read(): Promise<Bundle | undefined>;
  write(bundle: Bundle): Promise<void>;
}

/** The part of the platform's Cache that is used. */
interface CacheLike {
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
}

const KEEP_SECONDS = 7 * 24 * 3600;

/** No host of this name exists: nothing but this worker's cache answers to it. */
export function createCachedLastGood(cache: CacheLike, scope: ProxyScope): LastGood {
  const path = [scope.type, scope.namespace, scope.name].map((part) => encodeURIComponent(part));
  const url = `https://last-good.lateen.invalid/${path.join('/')}`;
  return {
    async read() {
      const found = await cache.match(url);
      return found === undefined ? undefined : ((await found.json()) as Bundle);
    },
    async write(bundle) {
      const headers = { 'cache-control': `max-age=${KEEP_SECONDS}` };
      await cache.put(url, new Response(JSON.stringify(bundle), { headers }));
    },
  };
}

export const noLastGood: LastGood = {
  read: () => Promise.resolve(undefined),
  write: () => Promise.resolve(),
};
