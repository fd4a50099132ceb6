/** What `lateen harden` can say: each code with what is at stake and what helps. docs/harden.md has the same table. */
import type { Diagnostic, Level, Place } from '../../model/diagnostic.ts';

export interface HardenCode {
  readonly level: Level;
  /** What can happen. */
  readonly why: string;
  readonly remedy: string;
}

export type HardenCodeName =
  | 'LAT0701'
  | 'LAT0702'
  | 'LAT0703'
  | 'LAT0704'
  | 'LAT0705'
  | 'LAT0706'
  | 'LAT0707'
  | 'LAT0708'
  | 'LAT0709'
  | 'LAT0710'
  | 'LAT0720'
  | 'LAT0721'
  | 'LAT0722'
  | 'LAT0723'
  | 'LAT0724'
  | 'LAT0725'
  | 'LAT0726'
  | 'LAT0727'
  | 'LAT0728'
  | 'LAT0729'
  | 'LAT0730'
  | 'LAT0731'
  | 'LAT0732'
  | 'LAT0733'
  | 'LAT0734'
  | 'LAT0740'
  | 'LAT0741'
  | 'LAT0742'
  | 'LAT0743'
  | 'LAT0744'
  | 'LAT0750'
  | 'LAT0751'
  | 'LAT0752'
  | 'LAT0753'
  | 'LAT0754'
  | 'LAT0755'
  | 'LAT0756';

export const hardenCodes: Readonly<Record<HardenCodeName, HardenCode>> = {
  LAT0701: {
    level: 'warning',
    why: 'who reaches the port is taken at its word: no certificate says who it is, and the traffic can be read on its way',
    remedy: 'set mode STRICT once every client is in the mesh',
  },
  LAT0702: {
    level: 'error',
    why: 'traffic to these workloads has neither encryption nor identity',
    remedy: 'set mode STRICT, or remove the setting and use that of the namespace',
  },
  LAT0703: {
    level: 'warning',
    why: 'clients of the mesh speak plaintext to this host, and the server cannot know them',
    remedy: 'use ISTIO_MUTUAL for hosts of the mesh, SIMPLE or MUTUAL for others',
  },
  LAT0704: {
    level: 'error',
    why: 'whoever stands between can show any certificate and read everything',
    remedy: 'remove insecureSkipVerify and name caCertificates and subjectAltNames',
  },
  LAT0705: {
    level: 'warning',
    why: 'any certificate of the authority passes, whomever it names',
    remedy: 'name the subjectAltNames that the server has',
  },
  LAT0706: {
    level: 'error',
    why: 'versions before TLS 1.2 and ciphers without forward secrecy or authentication are broken in practice',
    remedy: 'set minProtocolVersion TLSV1_2 or later, and leave cipherSuites out',
  },
  LAT0707: {
    level: 'info',
    why: 'what clients send to this port can be read on its way, cookies and tokens too',
    remedy: 'set tls.httpsRedirect, or take the server away',
  },
  LAT0708: {
    level: 'error',
    why: 'the key can be found, or a certificate forged, with means that people have',
    remedy: 'use RSA of 2048 bits or more, or a P-256 key, signed over SHA-256',
  },
  LAT0709: {
    level: 'warning',
    why: 'when it ends, clients refuse the server',
    remedy: 'renew it',
  },
  LAT0710: {
    level: 'warning',
    why: 'clients without a certificate are let in as well',
    remedy: 'use MUTUAL where the certificate is what lets them in',
  },
  LAT0720: {
    level: 'error',
    why: 'a rule without conditions matches every request: the policy lets everybody in',
    remedy: 'say who may do what; a policy without rules lets nobody in',
  },
  LAT0721: {
    level: 'warning',
    why: 'every identity of the mesh passes, also one that was stolen from the least of its workloads',
    remedy: 'name the principals or namespaces that need it',
  },
  LAT0722: {
    level: 'info',
    why: 'requests for any host are routed, also those for names that nobody meant',
    remedy: 'name the hosts',
  },
  LAT0723: {
    level: 'warning',
    why: 'a token is verified where there is one; a request without a token passes',
    remedy: 'add an AuthorizationPolicy that asks for requestPrincipals',
  },
  LAT0724: {
    level: 'warning',
    why: 'what no policy names is open to everybody who reaches it',
    remedy:
      'add an AuthorizationPolicy with spec {} to the namespace or the root namespace, then allow what is needed',
  },
  LAT0725: {
    level: 'error',
    why: 'whoever brings the authorizer down is let in',
    remedy: 'set failOpen false',
  },
  LAT0726: {
    level: 'error',
    why: 'whoever stands between can hand out keys of their own, and sign any token',
    remedy: 'use https and a name that everybody resolves alike',
  },
  LAT0727: {
    level: 'error',
    why: 'any page reads answers to requests with the cookies of its visitor',
    remedy: 'name the origins, or take allowCredentials away',
  },
  LAT0728: {
    level: 'error',
    why: 'paths that mean the same are matched as they were written: //admin and /x/../admin pass a policy on /admin',
    remedy: 'set pathNormalization MERGE_SLASHES or DECODE_AND_MERGE_SLASHES',
  },
  LAT0729: {
    level: 'warning',
    why: 'it reads as if it guarded something, and does not',
    remedy: 'the message says what is not enforced; guard it otherwise',
  },
  LAT0730: {
    level: 'warning',
    why: 'every Secret of the namespace can be served by a listener of the other',
    remedy: 'name the Secret in to[].name',
  },
  LAT0731: {
    level: 'info',
    why: 'a workload that was taken over can send what it finds anywhere',
    remedy: 'set outboundTrafficPolicy REGISTRY_ONLY and register what is called',
  },
  LAT0732: {
    level: 'warning',
    why: 'whoever reads the traffic has the client secret, and the tokens of everybody who logs in',
    remedy: 'give the host TLS (a DestinationRule with mode SIMPLE), and remove plaintext',
  },
  LAT0733: {
    level: 'warning',
    why: 'who finds such a key in a log or an old machine can use it for as long as it stands here',
    remedy: 'write expires=<time> behind the hash, and give out a new key before it',
  },
  LAT0734: {
    level: 'warning',
    why: "callers are known by the account's bindings alone: whoever may deploy a worker there is let in",
    remedy: 'label endpoints lateen.io/credential, and set credential.required in a Policy',
  },
  LAT0740: {
    level: 'error',
    why: 'tokens of the control plane cross the network in the clear',
    remedy: 'serve it over TLS (--tls-cert, --tls-key), or let it listen on loopback alone',
  },
  LAT0741: {
    level: 'warning',
    why: 'who finds it in a backup or a log can use it for as long',
    remedy: 'make it anew with --ttl, and rotate it (lateen auth token rotate)',
  },
  LAT0742: {
    level: 'info',
    why: 'it may change every namespace',
    remedy: 'make it anew with --namespaces, if it needs no more',
  },
  LAT0743: {
    level: 'warning',
    why: 'nobody would miss it, and nobody would notice who uses it first',
    remedy: 'revoke it (lateen auth token revoke)',
  },
  LAT0744: {
    level: 'warning',
    why: 'it may do everything, and nobody can tell its holders apart',
    remedy: 'give each their own token or login, of the least role that does',
  },
  LAT0750: {
    level: 'warning',
    why: 'no workload has an identity: there is no mutual TLS, and policies on principals can let nobody in',
    remedy: 'set one up (lateen ca init)',
  },
  LAT0751: {
    level: 'warning',
    why: 'when it ends, no certificate is renewed, and those that are there end within their hours',
    remedy: 'renew it (lateen ca renew; of the root lateen ca rotate start)',
  },
  LAT0752: {
    level: 'warning',
    why: 'when the list is full, nobody else can be denied',
    remedy: 'deny an identity in place of its serials, or rotate the root (lateen ca rotate)',
  },
  LAT0753: {
    level: 'info',
    why: 'who reads it meanwhile gets the identity in place of the workload',
    remedy: 'make it anew with --ttl and --cidr, or revoke it (lateen join-token revoke)',
  },
  LAT0754: {
    level: 'warning',
    why: 'somebody whom the issuer also knows can choose a name that fits, and gets the identity',
    remedy: 'add a claim with a whole value, or let the beginning end in a separator, as "shop/*"',
  },
  LAT0755: {
    level: 'warning',
    why: 'who has it and an old copy of the store has the key that signs every identity',
    remedy:
      'give a new secret beside the old one, then lateen ca rewrap, then take the old one away',
  },
  LAT0756: {
    level: 'error',
    why: 'no certificate is given or renewed, and those that are there end within their hours',
    remedy:
      'give the secret that its keys are wrapped with (LATEEN_CA_SECRET; in a Worker CA_SECRET)',
  },
};

/** One thing to mend, before it has its place. */
export interface Weakness {
  readonly code: HardenCodeName;
  /** What was seen. */
  readonly message: string;
  readonly path?: string;
  /** @default the code's own */
  readonly level?: Level;
}

/** With what is at stake and what helps, and where it stands. */
export function diagnosticOf(
  { code, message, path, level }: Weakness,
  where: { readonly resource?: string; readonly place?: Place | undefined } = {},
): Diagnostic {
  const { why, remedy, level: usual } = hardenCodes[code];
  const { resource, place } = where;
  return {
    code,
    level: level ?? usual,
    message: `${message}: ${why}`,
    remedy,
    ...(path === undefined ? {} : { path }),
    ...(resource === undefined ? {} : { resource }),
    ...(place === undefined ? {} : { place }),
  };
}
