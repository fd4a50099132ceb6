/** Who is at the other end of the connection. */
export interface Peer {
  /** Address of the direct peer. */
  readonly ip: string;
  readonly port?: number;
  /** Where it connected to, as far as anybody knows; absent where a runtime can't tell. */
  readonly destination?: { readonly ip: string; readonly port: number };
  /** ISO 3166-1 code in capitals, where the platform tells it; absent = nobody knows. */
  readonly country?: string;
  /** SPIFFE identity without the scheme, `trust.domain/ns/a/sa/b`; only where mutual TLS or a mesh credential proved it. */
  readonly principal?: string;
  readonly tls?: PeerTls;
  /** The certificate that it showed, where that was verified. */
  readonly certificate?: PeerCertificate;
  /** The connection was mutual TLS of the mesh; absent where a runtime can't tell. */
  readonly mutual?: boolean;
}

export interface PeerTls {
  /** Server name of the ClientHello; '' when none was sent. */
  readonly sni: string;
  /** A client certificate was presented and verified. */
  readonly mutual: boolean;
  /** Whether the certificate that the client was shown is for a host; absent where nobody can tell. */
  readonly isFor?: (host: string) => boolean;
}

/** As others are told of it: X-Forwarded-Client-Cert. */
export interface PeerCertificate {
  /** SHA-256 of its bytes, lower-case hex. */
  readonly hash: string;
  /** RFC 2253, as `CN=a,O=b`, in ASCII; '' = it has none. */
  readonly subject: string;
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  /** URI of the certificate that the peer was shown itself; '' = that has none. */
  readonly by: string;
}

/** What a verified token says; `principal` is `iss/sub`. */
export interface RequestIdentity {
  readonly principal: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Claim `azp`. */
  readonly presenter?: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Claims besides `scope` and `permission` that are lists separated by spaces. */
  readonly spaceDelimitedClaims: readonly string[];
}
