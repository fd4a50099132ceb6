/** What a node says of itself when it is ready. */
import type { FrontPlan, MeshNode } from '../../node-adapter/process/index.ts';

interface Started {
  readonly kind: 'sidecar' | 'gateway';
  readonly name: string;
  readonly namespace: string;
  readonly workers: number;
  readonly setup: { readonly app?: { readonly host: string; readonly port: number } };
  readonly first: readonly FrontPlan[];
}

const NAME_WIDTH = 10;

function at(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function lines(node: MeshNode, { setup, first }: Started): Promise<[string, string][]> {
  const services = first.filter((plan) => plan.kind === 'service');
  const app = setup.app === undefined ? 'its endpoints' : at(setup.app.host, setup.app.port);
  return (await node.listening()).map(({ kind, host, port, listenerPort }): [string, string] => {
    const address = at(host, port);
    switch (kind) {
      case 'inbound':
        return [kind, `${address} -> port ${listenerPort} of the service -> ${app}`];
      case 'proxy':
        return [kind, `http://${address} (HTTP_PROXY of the application)`];
      case 'service': {
        const plan = services.find((one) => one.port === port);
        return [kind, `http://${address} -> ${plan?.service}:${plan?.servicePort}`];
      }
      case 'gateway':
        return [kind, port === listenerPort ? address : `${address} for port ${listenerPort}`];
      default:
        return kind satisfies never;
    }
  });
}

export async function welcome(
  node: MeshNode,
  { run, source, ms }: { readonly run: Started; readonly source: string; readonly ms: number },
): Promise<string> {
  const { kind, name, namespace, workers } = run;
  const all: [string, string][] = [
    ...(await lines(node, run)),
    ...(node.admin === undefined ? [] : [['admin', node.admin] as [string, string]]),
    ['config', source],
  ];
  const processes = workers === 1 ? 'one process' : `${workers} workers`;
  return [
    `lateen ${kind} ${name}.${namespace} is ready in ${Math.round(ms)} ms (${processes}, pid ${process.pid})`,
    ...all.map(([what, text]) => `  ${what.padEnd(NAME_WIDTH)}${text}`),
  ].join('\n');
}
