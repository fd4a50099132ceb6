/** All of Bookinfo on loopback ports, and the mesh resources that name them. */
import type { RunningService } from './http.ts';
import { startProductpage } from './productpage.ts';
import { startDetails, startRatings, startReviews } from './services.ts';

export interface Bookinfo {
  readonly services: readonly RunningService[];
  /** Base URLs of the outbound gateways, by workload (`reviews-v1`). */
  setOutbound(urls: Readonly<Record<string, string>>): void;
  close(): Promise<void>;
}

export async function startBookinfo(): Promise<Bookinfo> {
  let urls: Readonly<Record<string, string>> = {};
  const outbound = (name: string) => (): string | undefined => urls[name];
  const services = await Promise.all([
    startProductpage({ version: 'v1', outbound: outbound('productpage-v1') }),
    startDetails({ version: 'v1' }),
    ...['v1', 'v2', 'v3'].map((version) =>
      startReviews({ version, outbound: outbound(`reviews-${version}`) }),
    ),
    startRatings({ version: 'v1' }),
  ]);
  return {
    services,
    setOutbound(next) {
      urls = next;
    },
    close: async () => {
      await Promise.all(services.map((service) => service.close()));
    },
  };
}

const PORT = 9080;
const CREDENTIAL = { 'lateen.io/credential': 'wimse-wpt.02' } as const;

export function workloadName({ name, version }: Pick<RunningService, 'name' | 'version'>): string {
  return `${name}-${version}`;
}

/** As in Istio's own files, so that policies of its tasks hold. */
export function accountName({ name }: Pick<RunningService, 'name'>): string {
  return `bookinfo-${name}`;
}

/** A Service for each name, a WorkloadEntry for each version at the port of the gateway before it. */
export function bookinfoResources(
  services: readonly RunningService[],
  portOf: (service: RunningService) => number,
): string {
  const names = [...new Set(services.map((service) => service.name))];
  const documents = [
    ...names.map((name) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: { selector: { app: name }, ports: [{ name: 'http', port: PORT }] },
    })),
    ...services.map((service) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: { name: workloadName(service), namespace: 'default' },
      spec: {
        address: '127.0.0.1',
        ports: { http: portOf(service) },
        // The gateway before it can't see mutual TLS: calls bring a signed credential.
        labels: { app: service.name, version: service.version, ...CREDENTIAL },
        serviceAccount: accountName(service),
      },
    })),
  ];
  return documents.map((document) => JSON.stringify(document)).join('\n---\n');
}
