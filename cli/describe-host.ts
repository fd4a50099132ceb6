/** What touches a host, of files or of a running mesh. */
import type { HostDescription } from '../src/config/describe/model.ts';
import { call, resolveCredentials } from './client.ts';
import type { GlobalOptions } from './context.ts';
import { CommandError } from './errors.ts';
import { readSources } from './files.ts';

export interface DescribeOptions extends GlobalOptions {
  readonly filename?: readonly string[];
}

const NOT_FOUND = 404;

/** @throws CommandError when the files have faults, or nothing in them knows the host. */
export async function hostInFiles(
  host: string,
  options: DescribeOptions,
): Promise<HostDescription> {
  const { filename = [], namespace } = options;
  const offline = await import('./from-files.ts');
  const { kinds, policyCompilers } = offline;
  const admission = offline.readConfig(await readSources(filename), { kinds });
  const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
  if (errors.length > 0)
    throw new CommandError('the files have faults, nothing was described', 1, errors);
  const asked = {
    resources: admission.resources.map(({ resource }) => resource),
    host,
    ...(namespace === undefined ? {} : { namespace }),
  };
  const description = offline.describeHost({
    ...asked,
    findings: [
      ...admission.diagnostics,
      ...offline.findings(admission.resources, { kinds, policyCompilers }),
    ],
  });
  if (description !== undefined) return description;
  throw new CommandError(offline.unknownHostText(asked));
}

/** Undefined where nothing knows the host. */
export async function hostInMesh(
  host: string,
  options: DescribeOptions,
): Promise<HostDescription | undefined> {
  const { body, status } = await call<HostDescription>(
    resolveCredentials(options),
    '/v1/describe',
    {
      query: { host, namespace: options.namespace },
      accept: [NOT_FOUND],
    },
  );
  return status === NOT_FOUND ? undefined : body;
}

/** @throws CommandError when nothing knows the host. */
export async function describedHost(
  host: string,
  options: DescribeOptions,
): Promise<HostDescription> {
  if (options.filename !== undefined) return hostInFiles(host, options);
  const { body } = await call<HostDescription>(resolveCredentials(options), '/v1/describe', {
    query: { host, namespace: options.namespace },
  });
  return body;
}
