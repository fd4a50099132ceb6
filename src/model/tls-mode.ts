/** Label of endpoints whose sidecar takes mutual TLS of the mesh: `istio`. */
export const TLS_MODE_LABEL = 'security.istio.io/tlsMode';
