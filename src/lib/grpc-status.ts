/** Words of gRPC that others read too. */

/** Names of gRPC's status codes, each at its number. */
export const grpcStatusNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** No status was said. */
export const NO_STATUS = -1;
const UNKNOWN = 2;
const LAST_STATUS = 16;
const TYPE = 'application/grpc';

/** `application/grpc`, alone or with an encoding: `application/grpc-web` is another protocol. */
export function isGrpcType(type: string | undefined): boolean {
  return (
    type !== undefined &&
    type.startsWith(TYPE) &&
    (type.length === TYPE.length || type[TYPE.length] === '+')
  );
}

/** As clients read it: what is no status of gRPC is UNKNOWN. */
export function readGrpcStatus(text: string | undefined): number {
  if (text === undefined) return NO_STATUS;
  const status = /^\d{1,2}$/.test(text) ? Number(text) : UNKNOWN;
  return status <= LAST_STATUS ? status : UNKNOWN;
}
