/** Errors as problem+json (RFC 9457). */
import type { Diagnostic } from '../src/model/diagnostic.ts';

export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly Diagnostic[];

  constructor(status: number, title: string, detail: string, errors: readonly Diagnostic[] = []) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.errors = errors;
  }
}

export function problemResponse(problem: Problem, instance: string): Response {
  const body = {
    type: 'about:blank',
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    instance,
    ...(problem.errors.length === 0 ? {} : { errors: problem.errors }),
  };
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (problem.status === 401) headers['www-authenticate'] = 'Bearer';
  return new Response(JSON.stringify(body), { status: problem.status, headers });
}
