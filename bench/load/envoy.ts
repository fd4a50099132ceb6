/** Envoy as a contender: one worker; bare, or with the filters that a sidecar has. */
import { HOSTS, ISSUER, ORIGIN } from './contract.ts';
import type { Place, Recipe, Scene } from './contract.ts';

type Json = Readonly<Record<string, unknown>>;

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const typed = (type: string, rest: Json = {}): Json => ({
  '@type': `${EXTENSIONS}.${type}`,
  ...rest,
});
const filter = (name: string, type: string, rest: Json = {}): Json => ({
  name: `envoy.filters.${name}`,
  typed_config: typed(type, rest),
});

const header = (key: string, value: string): Json => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
});

const ROUTER = filter('http.router', 'filters.http.router.v3.Router', {
  suppress_envoy_headers: true,
});

const CORS: Json = {
  'envoy.filters.http.cors': typed('filters.http.cors.v3.CorsPolicy', {
    allow_origin_string_match: [{ exact: 'https://other.example.com' }, { exact: ORIGIN }],
    allow_methods: 'GET',
    allow_credentials: true,
  }),
};

const HEADER_WORK: Json = {
  request_headers_to_add: [
    header('x-route', 'gold'),
    header('x-client', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'),
    header('x-via', 'envoy'),
  ],
  request_headers_to_remove: ['x-debug'],
  response_headers_to_add: [header('x-served-by', 'envoy'), header('x-kind', 'item')],
  response_headers_to_remove: ['x-internal'],
  typed_per_filter_config: CORS,
};

const ANY_PATH = { url_path: { path: { prefix: '/v1/' } } };

function filters(jwks: string): readonly Json[] {
  return [
    filter('http.jwt_authn', 'filters.http.jwt_authn.v3.JwtAuthentication', {
      providers: {
        people: {
          issuer: ISSUER,
          local_jwks: { inline_string: jwks },
          forward: true,
          payload_in_metadata: 'payload',
          jwt_cache_config: { jwt_cache_size: 100 },
        },
      },
      rules: [{ match: { prefix: '/' }, requires: { provider_name: 'people' } }],
    }),
    filter('http.rbac', 'filters.http.rbac.v3.RBAC', {
      rules: {
        action: 'ALLOW',
        policies: {
          open: {
            permissions: [
              {
                and_rules: {
                  rules: [
                    ANY_PATH,
                    {
                      header: {
                        name: ':method',
                        string_match: { safe_regex: { regex: 'GET|HEAD' } },
                      },
                    },
                  ],
                },
              },
            ],
            principals: [
              {
                metadata: {
                  filter: 'envoy.filters.http.jwt_authn',
                  path: [{ key: 'payload' }, { key: 'iss' }],
                  value: { string_match: { exact: ISSUER } },
                },
              },
            ],
          },
        },
      },
    }),
    filter('http.local_ratelimit', 'filters.http.local_ratelimit.v3.LocalRateLimit', {
      stat_prefix: 'limit',
      token_bucket: { max_tokens: 1e9, tokens_per_fill: 1e9, fill_interval: '1s' },
      filter_enabled: { default_value: { numerator: 100 } },
      filter_enforced: { default_value: { numerator: 100 } },
    }),
    filter('http.cors', 'filters.http.cors.v3.Cors'),
    ROUTER,
  ];
}

const LOG_FIELDS: Json = {
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  cluster: '%UPSTREAM_CLUSTER%',
  endpoint: '%UPSTREAM_HOST%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  upstream_ms: '%RESPONSE_TX_DURATION%',
  duration_ms: '%DURATION%',
  bytes_sent: '%BYTES_SENT%',
  bytes_received: '%BYTES_RECEIVED%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  request_id: '%REQ(X-REQUEST-ID)%',
  trace: '%REQ(TRACEPARENT)%',
  agent: '%REQ(USER-AGENT)%',
};

const BACK = { route: { cluster: 'back', timeout: '0s' } };

/** Lists of prefixes, as control planes for Envoy write them. */
function virtualHosts(scene: Scene): readonly Json[] {
  const isRouted = scene.work === 'filters' || scene.work === 'routes';
  if (!isRouted)
    return [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...BACK }] }];
  return Array.from({ length: HOSTS }, (_, host) => ({
    name: `h${host}`,
    domains: [`h${host}.example.com`],
    routes: Array.from({ length: scene.routes / HOSTS }, (_unused, index) => ({
      match: { prefix: `/v1/item${index}/` },
      ...BACK,
      ...(scene.work === 'filters' ? HEADER_WORK : {}),
    })),
  }));
}

function http(scene: Scene, { folder, credentials }: Place): Json {
  const isFull = scene.work === 'filters';
  return filter(
    'network.http_connection_manager',
    'filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'in',
      codec_type: 'AUTO',
      generate_request_id: isFull,
      use_remote_address: isFull,
      route_config: { virtual_hosts: virtualHosts(scene) },
      http_filters: isFull ? filters(credentials.jwks) : [ROUTER],
      ...(scene.work === 'websocket' ? { upgrade_configs: [{ upgrade_type: 'websocket' }] } : {}),
      ...(isFull
        ? {
            access_log: [
              {
                name: 'envoy.access_loggers.file',
                typed_config: typed('access_loggers.file.v3.FileAccessLog', {
                  path: `${folder}/log`,
                  log_format: { json_format: LOG_FIELDS },
                }),
              },
            ],
          }
        : {}),
    },
  );
}

function tls({ credentials }: Place): Json {
  const { server, authority } = credentials;
  const context = typed('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3' },
      tls_certificates: [
        {
          certificate_chain: { filename: server.certificate },
          private_key: { filename: server.key },
        },
      ],
      validation_context: { trusted_ca: { filename: authority } },
    },
  });
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: context } };
}

const at = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** Unlimited, as the others are. */
const LIMIT = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };

function configuration(scene: Scene, place: Place): Json {
  const tcp = filter('network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: 'in',
    cluster: 'back',
  });
  const protocol = typed('upstreams.http.v3.HttpProtocolOptions', {
    explicit_http_config:
      scene.isHttp2 === true ? { http2_protocol_options: {} } : { http_protocol_options: {} },
  });
  const chain = {
    filters: [scene.work === 'tcp' ? tcp : http(scene, place)],
    ...(scene.work === 'tls' ? tls(place) : {}),
  };
  return {
    static_resources: {
      listeners: [{ name: 'in', address: at(place.port), filter_chains: [chain] }],
      clusters: [
        {
          name: 'back',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [LIMIT] },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol,
          },
          load_assignment: {
            cluster_name: 'back',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at(place.upstream) } }] }],
          },
        },
      ],
    },
  };
}

export function envoyRecipe(command: string, scene: Scene, place: Place): Recipe {
  return {
    command,
    args: [
      '-c',
      `${place.folder}/envoy.json`,
      '--concurrency',
      '1',
      '-l',
      'error',
      '--disable-hot-restart',
    ],
    files: { 'envoy.json': JSON.stringify(configuration(scene, place)) },
  };
}
