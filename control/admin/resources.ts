/** Resources: apply, diff, read, delete. */
import type { Hono } from 'hono';
import { diffResources } from '../../src/config/diff.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { Resource } from '../../src/model/api.ts';
import type { StoreChange } from '../../src/model/store.ts';
import { kinds } from '../../src/presets/control.ts';
import { Problem } from '../problem.ts';
import {
  RESOURCE_PREFIX,
  applyDocuments,
  deleteDocuments,
  listResources,
  nameOf,
  withRevision,
} from '../resources.ts';
import type { Env, Services } from './context.ts';
import { allow, applyOptions, readSources } from './context.ts';

/** Secrets are for the mesh alone: people see their keys. */
function redact(resource: Resource): Resource {
  if (resource.kind !== 'Secret' || resource.data === undefined) return resource;
  return {
    ...resource,
    data: Object.fromEntries(Object.keys(resource.data).map((key) => [key, '<hidden>'])),
  };
}

export function documentRoutes(app: Hono<Env>, services: Services): void {
  const { store } = services.deps;
  app.post('/v1/apply', async (c) => {
    allow(c, 'editor');
    return c.json(await applyDocuments(store, await applyOptions(c, services)));
  });
  app.delete('/v1/apply', async (c) => {
    allow(c, 'editor');
    return c.json(await deleteDocuments(store, await applyOptions(c, services)));
  });
  app.post('/v1/diff', async (c) => {
    allow(c, 'viewer');
    const admission = readConfig(await readSources(c), {
      kinds,
      defaultNamespace: c.req.query('namespace') ?? 'default',
    });
    const errors = admission.diagnostics.filter((finding) => finding.level === 'error');
    if (errors.length > 0)
      throw new Problem(422, 'invalid configuration', `${errors.length} faults`, errors);
    const given = admission.resources.map(({ resource }) => resource);
    const names = new Set(given.map((resource) => nameOf(resource)));
    const before = (await listResources(store)).filter((resource) => names.has(nameOf(resource)));
    return c.json({ changes: diffResources(before, given) });
  });
}

export function resourceRoutes(app: Hono<Env>, services: Services): void {
  const { store } = services.deps;
  app.get('/v1/resources/:group/:kind/:namespace/:name', async (c) => {
    allow(c, 'viewer');
    const { group, kind, namespace, name } = c.req.param();
    const found = await store.get(`${RESOURCE_PREFIX}${group}/${kind}/${namespace}/${name}`);
    if (found === undefined) throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    c.header('etag', `"${found.revision}"`);
    return c.json(redact(withRevision(JSON.parse(found.value) as Resource, found.revision)));
  });
  app.delete('/v1/resources/:group/:kind/:namespace/:name', async (c) => {
    allow(c, 'editor');
    const { group, kind, namespace, name } = c.req.param();
    const key = `${RESOURCE_PREFIX}${group}/${kind}/${namespace}/${name}`;
    if ((await store.get(key)) === undefined)
      throw new Problem(404, 'not found', `no ${kind} ${namespace}/${name}`);
    const expected = /^"(\d+)"$/.exec(c.req.header('if-match') ?? '')?.[1];
    const change: StoreChange = {
      op: 'delete',
      key,
      ...(expected === undefined ? {} : { ifRevision: Number(expected) }),
    };
    const result = await store.commit([change], {
      actor: c.get('principal').name,
      message: c.req.query('message') ?? '',
      atMs: services.deps.nowMs(),
    });
    if (!result.ok)
      throw new Problem(
        412,
        'precondition failed',
        `revision ${result.expected} was expected, ${result.found} is stored`,
      );
    return c.json({ revision: result.revision });
  });
  app.get('/v1/resources/:group/:kind/:namespace?', async (c) => {
    allow(c, 'viewer');
    const { group, kind, namespace } = c.req.param();
    const prefix = `${RESOURCE_PREFIX}${group}/${kind}/${namespace === undefined ? '' : `${namespace}/`}`;
    const limit = Math.min(Number(c.req.query('limit') ?? '500') || 500, 1000);
    const page = await store.list(prefix, {
      limit,
      ...(c.req.query('continue') === undefined ? {} : { after: c.req.query('continue') ?? '' }),
    });
    const items = page.records.map((record) =>
      redact(withRevision(JSON.parse(record.value) as Resource, record.revision)),
    );
    const last = page.records.at(-1)?.key;
    return c.json({
      revision: page.revision,
      items: items.filter((item) => selected(item, c.req.query('labelSelector'))),
      ...(page.more && last !== undefined ? { continue: last } : {}),
    });
  });
}

/** `a=b,c!=d,e`. */
function selected(resource: Resource, selector: string | undefined): boolean {
  return (selector ?? '')
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [, name = '', operator, value] = /^([^!=]+)(!=|==?)?(.*)$/.exec(term) ?? [];
      const label = resource.metadata.labels?.[name];
      if (operator === undefined) return label !== undefined;
      return operator === '!=' ? label !== value : label === value;
    });
}
