import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

type Role = 'operator' | 'tenant' | 'agent';

/**
 * Who may call what, written down a second time on purpose: a route that is new, or whose roles change, fails
 * here until somebody has thought about it. The list of public routes may only shrink.
 */
const MATRIX: Readonly<Record<string, readonly Role[] | 'public'>> = {
  'POST /v1/services': ['operator', 'tenant'],
  'GET /v1/services': ['operator', 'tenant'],
  'GET /v1/services/{id}': ['operator', 'tenant'],
  'GET /v1/services/{id}/plan': ['operator', 'tenant'],
  'GET /v1/services/{id}/events': ['operator', 'tenant'],
  'PUT /v1/services/{id}': ['operator', 'tenant'],
  'DELETE /v1/services/{id}': ['operator', 'tenant'],
  'PUT /v1/services/{id}/end': ['operator', 'tenant'],
  'POST /v1/services/{id}/components/{component}/scale': ['operator', 'tenant'],
  'POST /v1/services/{id}/suspend': ['operator', 'tenant'],
  'POST /v1/services/{id}/resume': ['operator', 'tenant'],
  'POST /v1/services/{id}/migrate': ['operator'],
  'GET /v1/vees': ['operator', 'tenant'],
  'GET /v1/vees/{id}': ['operator', 'tenant'],
  'GET /v1/vees/{id}/explain': ['operator', 'tenant'],
  'GET /v1/services/{id}/explain': ['operator', 'tenant'],
  'GET /v1/operations/{id}/explain': ['operator', 'tenant'],
  'GET /v1/vees/{id}/logs': ['operator', 'tenant'],
  'POST /v1/vees/{id}/pause': ['operator', 'tenant'],
  'POST /v1/vees/{id}/resume': ['operator', 'tenant'],
  'POST /v1/vees/{id}/suspend': ['operator', 'tenant'],
  'POST /v1/vees/{id}/restore': ['operator', 'tenant'],
  'POST /v1/vees/{id}/restart': ['operator', 'tenant'],
  'POST /v1/vees/{id}/resize': ['operator', 'tenant'],
  'POST /v1/vees/{id}/migrate': ['operator'],
  'GET /v1/hosts': ['operator'],
  'GET /v1/hosts/{id}': ['operator'],
  'POST /v1/hosts/{id}/cordon': ['operator'],
  'POST /v1/hosts/{id}/uncordon': ['operator'],
  'POST /v1/hosts/{id}/drain': ['operator'],
  'POST /v1/hosts/{id}/restore': ['operator'],
  'POST /v1/hosts/{id}/recover': ['operator'],
  'POST /v1/site/shutdown': ['operator'],
  'POST /v1/site/power-up': ['operator'],
  'POST /v1/join-tokens': ['operator'],
  'POST /v1/authorities': ['operator'],
  'POST /v1/agents/join': ['agent'],
  'POST /v1/agents/heartbeat': ['agent'],
  'GET /v1/operations': ['operator', 'tenant'],
  'GET /v1/operations/{id}': ['operator', 'tenant'],
  'GET /v1/operations/{id}/events': ['operator', 'tenant'],
  'POST /v1/operations/{id}/cancel': ['operator', 'tenant'],
  'POST /v1/operations/{id}/retry': ['operator'],
  'POST /v1/operations/{id}/abort': ['operator'],
  'GET /v1/tenants': ['operator'],
  'POST /v1/tenants': ['operator'],
  'PUT /v1/tenants/{id}/apart-from': ['operator'],
  'POST /v1/tenants/{id}/tokens': ['operator'],
  'GET /v1/usage': ['operator', 'tenant'],
  'GET /v1/events': ['operator', 'tenant'],
  'GET /v1/images': ['operator', 'tenant'],
  'POST /v1/images': ['operator', 'tenant'],
  'GET /v1/images/{id}': ['operator', 'tenant'],
  'DELETE /v1/images/{id}': ['operator', 'tenant'],
  'GET /v1/images/{id}/content': ['operator', 'tenant'],
  'PUT /v1/images/{id}/content': ['operator', 'tenant'],
  'POST /v1/images/{id}/share': ['operator', 'tenant'],
  'POST /v1/images/{id}/unshare': ['operator', 'tenant'],
  'POST /v1/images/{id}/deprecate': ['operator', 'tenant'],
  'POST /v1/images/{id}/undeprecate': ['operator', 'tenant'],
  'POST /v1/images/{id}/clone': ['operator', 'tenant'],
  'GET /v1/image-blobs/{sha256}': ['agent'],
  'PUT /v1/image-uploads/{id}': ['agent'],
  'POST /v1/vees/{id}/capture': ['operator', 'tenant'],
  'GET /v1/holdings': ['operator'],
  'POST /v1/reservations': ['operator'],
  'GET /v1/reservations': ['operator', 'tenant'],
  'GET /v1/reservations/{id}': ['operator', 'tenant'],
  'DELETE /v1/reservations/{id}': ['operator'],
  'POST /v1/leases': ['operator'],
  'GET /v1/leases': ['operator', 'tenant'],
  'GET /v1/leases/{id}': ['operator', 'tenant'],
  'DELETE /v1/leases/{id}': ['operator'],
  'GET /v1/algorithms': ['operator'],
  'PUT /v1/algorithms/{name}': ['operator'],
  'DELETE /v1/algorithms/{name}': ['operator'],
  'GET /v1/policies': ['operator'],
  'PUT /v1/policies/placement': ['operator'],
  'DELETE /v1/policies/placement': ['operator'],
  'POST /v1/capacity/sizing': ['operator'],
  'GET /v1/policies/spare': ['operator'],
  'PUT /v1/policies/spare': ['operator'],
  'DELETE /v1/policies/spare': ['operator'],
  'GET /v1/licences': ['operator'],
  'PUT /v1/licences/{name}': ['operator'],
  'DELETE /v1/licences/{name}': ['operator'],
  'GET /v1/agents/names': ['agent'],
  'GET /v1/networks': ['operator', 'tenant'],
  'GET /v1/networks/{id}': ['operator', 'tenant'],
  'POST /v1/networks': ['operator'],
  'DELETE /v1/networks/{id}': ['operator'],
  'GET /v1/routines': ['operator'],
  'POST /v1/routines/{name}/pause': ['operator'],
  'POST /v1/routines/{name}/resume': ['operator'],
  'POST /v1/routines/{name}/run': ['operator'],
  'GET /v1/invariants': ['operator'],
  'GET /v1/drift': ['operator'],
  'POST /v1/reconcile': ['operator'],
  'POST /v1/site/rebalance': ['operator'],
  'GET /v1/capacity/failover': ['operator'],
  'POST /v1/capacity/vees': ['operator'],
  'POST /v1/capacity/admission': ['operator'],
  'POST /v1/capacity/services': ['operator'],
  'GET /schemas/manifest.v1.json': 'public',
  'GET /healthz': 'public',
  'GET /readyz': 'public',
};

const anImage = { name: 'web', format: 'raw', sha256: 'a'.repeat(64), sizeBytes: 1 };
const aLease = {
  ...{ name: 'web', count: 1, forMillis: 3_600_000 },
  each: { cpuMillis: 100, memoryMiB: 64 },
};

describe('every route under every role', () => {
  let site: TestSite;
  let tokens: Record<Role, string>;
  let mine: { service: string; vee: string; operation: string; lease: string; image: string };

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 1 });
    await site.post('/v1/tenants', { id: 'rival' });
    const token = async (tenant: string) =>
      (await site.post(`/v1/tenants/${tenant}/tokens`, { name: 'test' })).body.token;
    const join = (await site.post('/v1/join-tokens', {})).body.token;
    tokens = { operator: site.system.access.token, tenant: await token('rival'), agent: join };
    const operation = await site.done(await site.apply(manifestOf('shop')));
    const [vee] = await site.vees(operation.serviceId);
    const lease = (await site.post('/v1/reservations?tenant=acme', aLease)).body;
    const image = (await site.post('/v1/images?tenant=acme', anImage)).body;
    mine = {
      ...{ service: operation.serviceId, vee: vee.id, operation: operation.id },
      ...{ lease: lease.id, image: image.id },
    };
  });
  afterAll(() => site.stop());

  const operations = async () => {
    const { body } = await site.get('/openapi.json', null);
    return Object.entries(body.paths as Record<string, Record<string, unknown>>).flatMap(([path, methods]) =>
      Object.keys(methods).map((m) => `${m.toUpperCase()} ${path}`),
    );
  };

  /** A path with ids of things that exist, but belong to the tenant `acme`. */
  function concrete(path: string): string {
    const id = path.startsWith('/v1/vees')
      ? mine.vee
      : path.startsWith('/v1/operations')
        ? mine.operation
        : path.startsWith('/v1/hosts')
          ? 'host-1'
          : path.startsWith('/v1/tenants')
            ? 'acme'
            : /^\/v1\/(reservations|leases)/.test(path)
              ? mine.lease
              : path.startsWith('/v1/images')
                ? mine.image
                : mine.service;
    return path.replace('{sha256}', 'a'.repeat(64)).replace('{id}', id).replace('{component}', 'app');
  }

  it('has a row here for each route of the OpenAPI document, and no row without one', async () => {
    expect((await operations()).sort()).toEqual(Object.keys(MATRIX).sort());
  });

  it('lets nobody in without a valid identity', async () => {
    for (const [name, roles] of Object.entries(MATRIX)) {
      const [method = '', path = ''] = name.split(' ');
      for (const token of [
        null,
        'garbage',
        'sluice_operator_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
        '../../etc/passwd',
        'x'.repeat(600),
      ]) {
        const { status } = await site.send(method, concrete(path), { token });
        expect([name, token, roles === 'public' || status === 401]).toEqual([name, token, true]);
      }
    }
  });

  it('answers 403 to every role that has no business there, before it looks at the request', async () => {
    for (const [name, roles] of Object.entries(MATRIX)) {
      if (roles === 'public') continue;
      const [method = '', path = ''] = name.split(' ');
      for (const role of ['operator', 'tenant', 'agent'] as const) {
        if (roles.includes(role)) continue;
        const { status, body } = await site.send(method, concrete(path), {
          token: tokens[role],
          ...(method === 'POST' ? { body: { nonsense: true } } : {}),
        });
        expect([name, role, status, body.code]).toEqual([name, role, 403, 'forbidden']);
      }
    }
  });

  it('tells a tenant of another’s resource exactly what it tells of one that does not exist', async () => {
    for (const [name, roles] of Object.entries(MATRIX)) {
      const [method = '', path = ''] = name.split(' ');
      if (roles === 'public' || !roles.includes('tenant') || !path.includes('{id}')) continue;
      const body = path.endsWith('/scale')
        ? { instances: 1 }
        : path.endsWith('/resize')
          ? { cpuMillis: 1 }
          : path.endsWith('/end')
            ? { until: null }
            : path.endsWith('share')
              ? { tenants: ['rival'] }
              : /\/(clone|capture)$/.test(path)
                ? { name: 'web' }
                : method === 'PUT'
                  ? manifestOf('shop')
                  : undefined;
      const ask = (p: string) => site.send(method, p, { token: tokens.tenant, ...(body ? { body } : {}) });
      const others = await ask(concrete(path));
      const none = await ask(
        path.replace('{id}', 'svc-000000000000000000000000').replace('{component}', 'app'),
      );
      expect([name, others.status, others.body.detail]).toEqual([name, 404, none.body.detail]);
    }
  });

  it('shows a tenant nothing of another in any listing', async () => {
    for (const path of [
      '/v1/services',
      '/v1/vees',
      '/v1/operations',
      '/v1/events',
      '/v1/usage',
      '/v1/leases',
      '/v1/networks',
      '/v1/reservations',
      '/v1/vees?tenant=acme',
      '/v1/usage?tenant=acme',
      '/v1/events?tenant=acme',
    ])
      expect([path, (await site.get(path, tokens.tenant)).body.items]).toEqual([path, []]);
  });

  it('keeps a tenant from acting for another', async () => {
    const { status, body } = await site.send('POST', '/v1/services?tenant=acme', {
      token: tokens.tenant,
      body: manifestOf('intruder'),
    });
    expect([status, body.code]).toEqual([403, 'forbidden']);
  });

  it('tells a tenant what it could ask for instead, and nothing of hosts', async () => {
    const capacity = { cpuMillis: 9_000, memoryMiB: 1 };
    const instances = { initial: 3, max: 3 };
    const components = [{ name: 'x', image: 'busybox', capacity, instances }];
    for (const token of [tokens.tenant, tokens.operator]) {
      const { body } = await site.send('POST', `/v1/services?tenant=rival&dryRun=true`, {
        ...{ token, body: manifestOf('many', { components, topology: {} }) },
      });
      expect(body.remedies).toContain('with only 1 of the 3 new VEEs of x');
      expect(JSON.stringify(body).includes('host-1')).toBe(token === tokens.operator);
    }
  });

  it('gives an agent no say over hosts that are not its own', async () => {
    const { body } = await site.send('POST', '/v1/agents/heartbeat', {
      token: tokens.agent,
      body: { ageMillis: 0, hosts: [{ hostId: 'host-1', vees: [] }] },
    });
    expect(body.code).toBe('forbidden');
    const { fingerprint } = (await site.get('/v1/hosts/host-1')).body;
    const stolen = await site.send('POST', '/v1/agents/join', {
      token: tokens.agent,
      body: { agentId: 'thief', hosts: [{ id: 'host-1', zone: 'z', labels: {}, fingerprint }] },
    });
    expect([stolen.status, stolen.body.code]).toEqual([409, 'conflict']);
  });

  it('lets a join token take no host that is served, not even in its agent’s name', async () => {
    const { fingerprint } = (await site.get('/v1/hosts/host-1')).body;
    const body = { agentId: 'agent', hosts: [{ id: 'host-1', zone: 'z', labels: {}, fingerprint }] };
    const stolen = await site.send('POST', '/v1/agents/join', { token: tokens.agent, body });
    expect([stolen.status, stolen.body.code]).toEqual([409, 'conflict']);
  });

  it('tells a tenant nothing of what the hosts hold', async () => {
    const token = (await site.post('/v1/tenants/acme/tokens', { name: 'own' })).body.token;
    const seen = await Promise.all(
      [
        `/v1/vees/${mine.vee}/explain`,
        `/v1/services/${mine.service}/plan`,
        `/v1/services/${mine.service}/explain`,
        `/v1/operations/${mine.operation}/explain`,
      ].map(async (p) => JSON.stringify((await site.get(p, token)).body)),
    );
    const big = manifestOf('big', {
      components: [{ name: 'x', image: 'busybox', capacity: { cpuMillis: 99_000, memoryMiB: 1 } }],
      topology: {},
    });
    const dry = await site.send('POST', '/v1/services?dryRun=true', { token, body: big });
    const failed = await site.ended((await site.send('POST', '/v1/services', { token, body: big })).body.id);
    seen.push(
      JSON.stringify(dry.body),
      JSON.stringify((await site.get(`/v1/operations/${failed.id}`, token)).body),
    );
    for (const text of seen) expect(text).not.toMatch(/"free"|"score"|\d free|temporal":"http/);
    expect(dry.body.why).toBe('No host can take x/0: 1 × capacity.');
    expect(failed.error.detail).toMatch(/\d+ free/);
  });

  it('changed nothing by all that', async () => {
    const [service] = (await site.get('/v1/services?name=shop')).body.items;
    expect(service).toMatchObject({ id: mine.service, phase: 'operating' });
    expect((await site.get(`/v1/operations?service=${mine.service}`)).body.items).toHaveLength(1);
    expect(await site.violations()).toEqual([]);
  });
});
