/** What Envoy's filter would say. */
export type Refusal =
  | `Jwt payload [${string}] field is not ${string}`
  | 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
  | 'Jwt header is an invalid Base64url encoded or invalid JSON'
  | 'Jwt header [kid] field is not a string'
  | 'Jwt payload is an invalid Base64url encoded or invalid JSON'
  | 'Jwt issuer is not configured'
  | 'Jwt is expired'
  | 'Jwt not yet valid'
  | 'Jwt verification fails'
  | "Jwks doesn't have key to match kid or alg from Jwt"
  | 'Jwks remote fetch is failed'
  | 'Audiences in Jwt are not allowed';
