/** Authorities of one run, and what they sign: for the proxy, for its clients and for its backends. */
import { writeFileSync } from 'node:fs';
import { namelessCertificatePem, keyPem } from '../../fixtures/certificates.ts';
import { Authority, Pki } from '../../fixtures/pki.ts';

/** In the words of node:tls. */
export interface Shown {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates are taken. */
  readonly ca: string;
}

export class Certificates {
  readonly #pki = new Pki();
  /** Signs identities of the mesh. */
  readonly #mesh: Authority;
  /** Stands where a case says MINT. */
  readonly #minted: Authority;
  readonly #issued = new Map<string, Shown>();

  constructor() {
    this.#mesh = this.#pki.authority('mesh');
    writeFileSync(this.#pki.path('minted.crt'), namelessCertificatePem);
    writeFileSync(this.#pki.path('minted.key'), keyPem);
    this.#minted = new Authority(this.#pki, 'minted');
  }

  /** Of a workload of the mesh. */
  workload(identity: string): Shown {
    return this.#issue(this.#mesh, `URI:spiffe://${identity}`);
  }

  /** Of a server for this name. */
  server(name: string): Shown {
    return this.#issue(this.#minted, `DNS:${name === '' ? 'nobody.test' : name}`);
  }

  /** Of somebody whom the authority of a case knows, and the mesh doesn't. */
  client(): Shown {
    return this.#issue(this.#minted, 'DNS:client.test');
  }

  close(): void {
    this.#pki.remove();
  }

  #issue(authority: Authority, names: string): Shown {
    let shown = this.#issued.get(names);
    if (shown === undefined) {
      const { certificate: cert, key } = authority.issue({ names });
      shown = { cert, key, ca: this.#mesh.certificate };
      this.#issued.set(names, shown);
    }
    return shown;
  }
}
