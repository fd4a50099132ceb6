/** A site behind front doors: the Node proxy over sockets, an OpenID provider, and a backend that counts who gets in. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { valuesName } from '../../src/lib/secret-values.ts';
import { Browser } from '../fixtures/browser.ts';
import { endServer, listen } from '../fixtures/gateway.ts';
import { gatewayBefore, startTestProxy } from '../fixtures/node-proxy.ts';
import { CLIENT_ID, CLIENT_SECRET, ISSUER, startOidcProvider } from '../fixtures/oidc-provider.ts';
import type { OidcProvider } from '../fixtures/oidc-provider.ts';

export const SITE = 'https://shop.test';
export const SESSION = '__Host-lateen-session';

export const sessionKey = (fill: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.alloc(32, fill));

export interface Site {
  readonly port: number;
  readonly provider: OidcProvider;
  /** Heads that got through to the backend since it was asked last. */
  taken(): readonly IncomingHttpHeaders[];
  use(parts: string): Promise<void>;
  close(): Promise<void>;
}

export const OIDC: string = `  oidc:
    issuer: ${ISSUER}
    clientId: "${CLIENT_ID}"
    secretName: site
    authorizationEndpoint: ${ISSUER}/authorize
    tokenEndpoint: {host: login.test, port: 80, path: /token, plaintext: true}
    redirectUris: [${SITE}/oauth2/callback, https://other.test/oauth2/callback]
    claimHeaders: [{header: x-user-mail, claim: email}]
    except: [/open/*]
`;

export async function startSite(): Promise<Site> {
  const provider = await startOidcProvider();
  let heads: IncomingHttpHeaders[] = [];
  const backend = createServer((request, response) => {
    heads.push(request.headers);
    response.end('in');
  });
  const backPort = await listen(backend);
  const values = {
    'client-secret': CLIENT_SECRET,
    'session-keys': `a:${Buffer.from(sessionKey('a')).toString('base64')}`,
  };
  const proxy = await startTestProxy({
    yaml: gatewayBefore(backPort),
    keys: { [`issuer:${ISSUER}`]: { keys: provider.keys, fetchedAtMs: 0 } },
    secrets: { [valuesName('default/site')]: { values } },
  });
  const login = `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: login}
spec: {hosts: [login.test], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, ports: {http: ${provider.port}}}]}
`;
  return {
    port: proxy.port,
    provider,
    taken() {
      const taken = heads;
      heads = [];
      return taken;
    },
    use: (parts) =>
      proxy.configure(`${gatewayBefore(backPort)}${login}---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: door}
spec:
  targetRefs: [{group: networking.istio.io, kind: Gateway, name: front}]
${parts}`),
    async close() {
      await proxy.close();
      await endServer(backend);
      await provider.close();
    },
  };
}

/** A login that was begun: the browser, and where the provider would lead it back to. */
export async function begin(
  site: Site,
  path = '/',
): Promise<{ readonly browser: Browser; readonly back: URL }> {
  const browser = new Browser(site.port);
  const first = await browser.open(path);
  return { browser, back: new URL(site.provider.authorize(first.headers.location ?? '')) };
}

export const hasSession = (browser: Browser): boolean =>
  [...browser.jar.keys()].some((name) => name === SESSION);
