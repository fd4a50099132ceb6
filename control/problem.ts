/** Errors as problem+json (RFC 9457). */
import type { Diagnostic } from '../src/model/diagnostic.ts';

export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly Diagnostic[];
  #headers: Readonly<Record<string, string>> = {};

  constructor(status: number, title: string, detail: string, errors: readonly Diagnostic[] = []) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.errors = errors;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  /** Fields of the answer besides its body. */
  with(headers: Readonly<Record<string, string>>): this {
    this.#headers = headers;
    return this;
  }
}

/** `spec.http[0].match` as the JSON pointer `/spec/http/0/match` (RFC 6901). */
export function jsonPointer(path: string): string {
  const parts = path.split(/[.[\]]+/).filter((part) => part !== '');
  return parts.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

export function problemResponse(problem: Problem, instance: string): Response {
  const errors = problem.errors.map((error) =>
    error.path === undefined ? error : { ...error, pointer: jsonPointer(error.path) },
  );
  const body = {
    type: 'about:blank',
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    instance,
    ...(errors.length === 0 ? {} : { errors }),
  };
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    ...problem.headers,
  };
  if (problem.status === 401) headers['www-authenticate'] = 'Bearer';
  return new Response(JSON.stringify(body), { status: problem.status, headers });
}
