import fc from 'fast-check';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

describe('writes', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());

  const countOperations = async () => (await site.get('/v1/operations?limit=200')).body.items.length;

  it('makes one operation, and gives one answer, for one Idempotency-Key, also at the same moment', async () => {
    const before = await countOperations();
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => site.apply(manifestOf('once'), { 'Idempotency-Key': 'k-once' })),
    );
    expect(new Set(replies.map((r) => `${r.status} ${r.body.id}`)).size).toBe(1);
    await site.done(replies[0] as never);
    const again = await site.apply(manifestOf('once'), { 'Idempotency-Key': 'k-once' });
    expect([again.status, again.body.id, again.headers.get('idempotency-replayed')]).toEqual([
      202,
      replies[0]?.body.id,
      'true',
    ]);
    expect(await countOperations()).toBe(before + 1);
  });

  it('refuses a key that was used for something else', async () => {
    const reply = await site.apply(manifestOf('other'), { 'Idempotency-Key': 'k-once' });
    expect([reply.status, reply.body.code]).toEqual([422, 'idempotency-key-reused']);
  });

  it('makes one service of concurrent identical requests without a key, and a conflict of another manifest', async () => {
    const replies = await Promise.all(Array.from({ length: 6 }, () => site.apply(manifestOf('same'))));
    expect(new Set(replies.map((r) => r.body.id)).size).toBe(1);
    await site.done(replies[0] as never);
    const other = await site.apply(manifestOf('same', { description: 'changed' }));
    expect([other.status, other.body.code]).toEqual([409, 'already-exists']);
  });

  it('lets one operation at a time act on a service, and names the one that does', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('busy')));
    const path = `/v1/services/${serviceId}/components/app/scale`;
    const replies = await Promise.all([
      site.post(path, { instances: 4 }),
      site.post(`/v1/services/${serviceId}/suspend`),
    ]);
    const [won, lost] = replies[0]?.status === 202 ? replies : [...replies].reverse();
    expect([won?.status, lost?.status, lost?.body.code]).toEqual([202, 409, 'operation-in-progress']);
    expect(lost?.body.detail).toContain(won?.body.id);
    expect(await countOperations()).toBe((await site.get('/v1/operations?limit=200')).body.items.length);
    await site.done(won as never);
    // What was refused left no trace.
    const operations = (await site.get(`/v1/operations?service=${serviceId}`)).body.items;
    expect(operations.map((o: { kind: string }) => o.kind)).toEqual([won?.body.kind, 'service.provision']);
  });

  it('lets scalings of one array wait for each other; of those that wait the latest counts', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('intent')));
    const scale = (instances: number) =>
      site.post(`/v1/services/${serviceId}/components/app/scale`, { instances });
    const first = await scale(9);
    const [second, third] = [await scale(2), await scale(5)];
    expect([first.status, second.status, third.status]).toEqual([202, 202, 202]);
    expect(third.body).toMatchObject({ state: 'queued', behind: [first.body.id] });
    expect(await site.ended(second.body.id)).toMatchObject({
      state: 'undone',
      error: { code: 'superseded', detail: expect.stringContaining(third.body.id) },
    });
    await site.done(first as never);
    await site.done(third as never);
    expect((await site.get(`/v1/services/${serviceId}`)).body.instances.app).toBe(5);
    expect(await site.vees(serviceId)).toHaveLength(6);
  });

  it('withdraws what still waits when it is cancelled', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('withdrawn')));
    const scale = (instances: number) =>
      site.post(`/v1/services/${serviceId}/components/app/scale`, { instances });
    const first = await scale(12);
    const second = await scale(1);
    expect((await site.post(`/v1/operations/${second.body.id}/cancel`)).status).toBe(202);
    expect(await site.ended(second.body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    await site.done(first as never);
    expect(await site.vees(serviceId)).toHaveLength(13);
  });

  it('plans without changing anything', async () => {
    const plan = await site.send('POST', '/v1/services?tenant=acme&dryRun=true', { body: manifestOf('dry') });
    expect([plan.status, plan.body.feasible, plan.body.steps.length]).toEqual([200, true, 2]);
    expect((await site.get('/v1/services?name=dry')).body.items).toEqual([]);
    const big = manifestOf('big', {
      components: [{ name: 'x', image: 'busybox', capacity: { cpuMillis: 17_000, memoryMiB: 1 } }],
      topology: {},
    });
    const none = await site.send('POST', '/v1/services?tenant=acme&dryRun=true', { body: big });
    expect(none.body).toMatchObject({
      feasible: false,
      why: expect.stringContaining('cpuMillis 17000 needed'),
      // No host here is as large, and nobody but the asking party can make it smaller.
      remedies: [],
    });
    await site.post('/v1/hosts/host-1/cordon');
    const many = manifestOf('many', {
      components: [
        {
          ...{ name: 'x', image: 'busybox' },
          capacity: { cpuMillis: 9_000, memoryMiB: 1 },
          instances: { initial: 3, max: 3 },
        },
      ],
      topology: {},
    });
    const closed = await site.send('POST', '/v1/services?tenant=acme&dryRun=true', { body: many });
    await site.post('/v1/hosts/host-1/uncordon');
    expect(closed.body.remedies).toEqual([
      'if host-1 were uncordoned',
      'with only 2 of the 3 new VEEs of x',
      expect.stringMatching(/^with one more host like host-\d, in use for nothing else$/),
    ]);
  });

  it('ends undone, with the reasons, when nothing fits', async () => {
    const big = manifestOf('toobig', {
      components: [{ name: 'x', image: 'busybox', capacity: { cpuMillis: 17_000, memoryMiB: 1 } }],
      topology: {},
    });
    const operation = await site.ended((await site.apply(big)).body.id);
    expect(operation).toMatchObject({
      state: 'undone',
      error: { code: 'placement-infeasible', detail: expect.stringContaining('host-1') },
    });
    expect(await site.violations()).toEqual([]);
    // The name is free again.
    await site.done(await site.apply(manifestOf('toobig')));
  });

  it('takes If-Match with the current ETag only', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('tagged')));
    const etag = (await site.get(`/v1/services/${serviceId}`)).headers.get('etag') ?? '';
    expect(etag).toMatch(/^"g\d+"$/);
    await site.done(
      await site.send('POST', `/v1/services/${serviceId}/components/app/scale`, {
        body: { instances: 2 },
        headers: { 'If-Match': etag },
      }),
    );
    const stale = await site.send('DELETE', `/v1/services/${serviceId}`, { headers: { 'If-Match': etag } });
    expect([stale.status, stale.body.code]).toEqual([412, 'stale-etag']);
    const odd = await site.send('DELETE', `/v1/services/${serviceId}`, { headers: { 'If-Match': 'W/"x"' } });
    expect(odd.status).toBe(412);
  });

  it('refuses illegal transitions with the legal ones listed', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('states')));
    const [vee] = await site.vees(serviceId);
    const refused = await site.post(`/v1/vees/${vee.id}/resume`);
    expect([refused.status, refused.body.code, refused.body.legal]).toEqual([
      409,
      'transition-illegal',
      ['pause', 'suspend', 'restart', 'resize', 'migrate', 'capture'],
    ]);
    await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    expect((await site.get(`/v1/vees/${vee.id}`)).body).toMatchObject({
      state: 'PAUSED',
      legalVerbs: ['resume'],
    });
    await site.done(await site.post(`/v1/vees/${vee.id}/resume`));
    const outside = await site.post(`/v1/services/${serviceId}/components/app/scale`, { instances: 21 });
    expect([outside.status, outside.body.code]).toEqual([422, 'out-of-bounds']);
  });

  it('names the operation that takes a service through a phase, to whoever asks for another meanwhile', async () => {
    const name = await site.arm('agent', {
      activity: 'awaitReady',
      occurrence: 1,
      when: 'before',
      act: 'hold',
    });
    const started = await site.apply(manifestOf('passing'));
    const { id, serviceId } = started.body;
    await site.until('it is being deployed', 10_000, async () =>
      (await site.get(`/v1/services/${serviceId}`)).body.phase === 'deploying' ? true : undefined,
    );
    const refused = await site.post(`/v1/services/${serviceId}/suspend`);
    expect([refused.status, refused.body.code]).toEqual([409, 'operation-in-progress']);
    expect(refused.body.detail).toBe(`passing is deploying: service.provision ${id} is under way.`);
    await site.faults.release('agent', name[0] ?? '');
    await site.done(started);
    const wrong = await site.post(`/v1/services/${serviceId}/resume`);
    expect([wrong.status, wrong.body.code]).toEqual([409, 'transition-illegal']);
  });

  it('cancels an operation, and undoes what it did', async () => {
    await site.arm('agent', { activity: 'awaitReady', occurrence: 1, when: 'before', act: 'hold' });
    const started = await site.apply(manifestOf('cancelled'));
    await site.until('it waits', 10_000, async () =>
      (await site.get(`/v1/operations/${started.body.id}`)).body.steps.some((s: { name: string }) =>
        s.name.startsWith('ready'),
      )
        ? true
        : undefined,
    );
    expect((await site.post(`/v1/operations/${started.body.id}/cancel`)).status).toBe(202);
    const operation = await site.ended(started.body.id);
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    await site.release('agent');
    expect((await site.vees(operation.serviceId)).length).toBe(0);
    expect(await site.violations()).toEqual([]);
    const again = await site.post(`/v1/operations/${started.body.id}/cancel`);
    expect([again.status, again.body.code]).toEqual([409, 'not-cancellable']);
  });

  it('never acts on a dry run, nor on a query that it does not know', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('careful')));
    const [vee] = await site.vees(serviceId);
    for (const verb of ['pause', 'suspend', 'restart']) {
      const plan = await site.post(`/v1/vees/${vee.id}/${verb}?dryRun=true`);
      expect([verb, plan.status, plan.body.dryRun, plan.body.steps]).toEqual([
        verb,
        200,
        true,
        [`${verb} ${vee.component}/0 on ${vee.hostId}`],
      ]);
    }
    const larger = await site.post(`/v1/vees/${vee.id}/resize?dryRun=true`, { cpuMillis: 700 });
    expect(larger.body).toMatchObject({
      feasible: true,
      cost: { vees: 1, interrupted: 0, capacity: { cpuMillis: 700 - vee.capacity.cpuMillis, memoryMiB: 0 } },
    });
    const tooLarge = await site.post(`/v1/vees/${vee.id}/resize?dryRun=true`, { cpuMillis: 250_000 });
    expect(tooLarge.body).toMatchObject({ feasible: false, why: expect.stringContaining('cpuMillis left') });
    expect((await site.post(`/v1/vees/${vee.id}/resize?dryRun=true`, { cpuMillis: 7 })).body.dryRun).toBe(
      true,
    );
    expect((await site.post(`/v1/services/${serviceId}/suspend?dryRun=true`)).body.steps).toHaveLength(2);
    expect((await site.post('/v1/hosts/host-1/cordon?dryRun=true')).body.dryRun).toBe(true);
    expect((await site.post('/v1/tenants?dryRun=true', { id: 'nobody' })).body.code).toBe('request-invalid');
    expect((await site.get('/v1/hosts/host-1')).body.cordoned).toBe(false);
    expect((await site.get(`/v1/operations?service=${serviceId}`)).body.items).toHaveLength(1);
  });

  it('does not take a host that is not there for one that has nothing to move', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('nowhere')));
    const [vee] = await site.vees(serviceId);
    for (const [path, field] of [
      [`/v1/services/${serviceId}/migrate`, 'fromHost'],
      [`/v1/services/${serviceId}/migrate`, 'toHost'],
      [`/v1/services/${serviceId}/migrate?dryRun=true`, 'fromHost'],
      [`/v1/vees/${vee.id}/migrate`, 'toHost'],
    ] as const) {
      const { status, body } = await site.post(path, { [field]: 'nohost' });
      expect([status, body.code, body.pointer]).toEqual([404, 'not-found', `/${field}`]);
      expect(body.detail).toContain('"nohost"');
    }
  });

  it('takes a deeply nested body for what it is', async () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const reply = await site.send('POST', '/v1/services?tenant=acme', {
      body: deep,
      raw: true,
      headers: { 'content-type': 'application/json', 'Idempotency-Key': 'k-deep' },
    });
    expect([reply.status, reply.body.code]).toEqual([422, 'manifest-invalid']);
  });

  it('pages through listings without losing or repeating a row', async () => {
    const all = (await site.get('/v1/operations?limit=200')).body.items.map((o: { id: string }) => o.id);
    const paged: string[] = [];
    let cursor = '';
    do {
      const { body } = await site.get(`/v1/operations?limit=3${cursor && `&cursor=${cursor}`}`);
      paged.push(...body.items.map((o: { id: string }) => o.id));
      cursor = body.nextCursor ?? '';
    } while (cursor);
    expect(paged).toEqual(all);
  });

  it('streams an operation’s progress until it ends', async () => {
    const started = await site.apply(manifestOf('streamed'));
    const response = await fetch(`${site.system.access.apiUrl}/v1/operations/${started.body.id}/events`, {
      headers: { authorization: `Bearer ${site.system.access.token}` },
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const text = await response.text();
    expect(text.match(/event: progress/g)?.length).toBeGreaterThan(1);
    expect(text).toMatch(/"state":"completed"[\s\S]*event: end\n/);
  });

  it('reads a VEE’s log through its agent, explains its place, and meters it', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('looked-at')));
    const [vee] = await site.vees(serviceId);
    expect((await site.get(`/v1/vees/${vee.id}/logs`)).body.lines).toEqual([
      expect.stringContaining('is ACTIVE'),
    ]);
    expect((await site.get(`/v1/vees/${vee.id}/explain`)).body).toMatchObject({
      hostId: vee.hostId,
      decision: { hostId: vee.hostId, verdicts: expect.any(Array) },
    });
    const usage = (await site.get(`/v1/usage?service=${serviceId}`)).body;
    expect(usage.items).toHaveLength(2);
    expect(usage.totals.vees).toBe(2);
    expect((await site.get(`/v1/services/${serviceId}/events`)).body.items.length).toBeGreaterThan(4);
  });

  it('answers bad input of any kind with a 4xx problem that changes nothing', async () => {
    const before = await countOperations();
    const paths = [
      '/v1/services?tenant=acme',
      '/v1/services/svc-x/components/app/scale',
      '/v1/vees/vee-x/migrate',
      '/v1/vees/vee-x/resize',
      '/v1/tenants',
      '/v1/tenants/acme/tokens',
      '/v1/join-tokens',
    ];
    const body = fc.oneof(
      fc.json().map((text) => ({ text, type: 'application/json' })),
      fc.string().map((text) => ({ text, type: 'application/json' })),
      fc.string().map((text) => ({ text, type: 'application/yaml' })),
      fc.string().map((text) => ({ text, type: 'text/plain' })),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), body, async (path, { text, type }) => {
        const reply = await site.send('POST', path, {
          body: text,
          raw: true,
          headers: { 'content-type': type },
        });
        // A body that happens to be right ("{}" for a join token) is no bad input.
        if (reply.status === 201) return;
        expect(reply.status).toBeGreaterThanOrEqual(400);
        expect(reply.status).toBeLessThan(500);
        expect(reply.headers.get('content-type')).toContain('application/problem+json');
        expect(JSON.stringify(reply.body)).not.toMatch(/\bat .*\.(js|ts):\d+|node_modules/);
      }),
      { numRuns: 150 },
    );
    expect(await countOperations()).toBe(before);
  });

  it.each([
    ['a query that does not exist', 'GET', '/v1/services?sort=name', 400, 'request-invalid'],
    ['a limit out of range', 'GET', '/v1/services?limit=9999', 400, 'request-invalid'],
    ['a cursor of nonsense', 'GET', '/v1/services?cursor=%00%7B', 400, 'request-invalid'],
    ['an unknown path', 'GET', '/v2/everything', 404, 'route-unknown'],
    ['a method that is not offered', 'PUT', '/v1/services', 405, 'method-not-allowed'],
    ['a path that can’t be decoded', 'GET', '/v1/services/%E0%A4%A', 400, 'request-malformed'],
    ['an id that is an operator', 'GET', '/v1/services/%7B%22%24gt%22%3A%22%22%7D', 404, 'not-found'],
    ['a query that is an object', 'GET', '/v1/services?name[$gt]=', 400, 'request-invalid'],
  ])('answers %s', async (_, method, path, status, code) => {
    const reply = await site.send(method, path);
    expect([reply.status, reply.body.code]).toEqual([status, code]);
  });

  it('limits bodies', async () => {
    const reply = await site.send('POST', '/v1/services?tenant=acme', {
      body: `# ${'x'.repeat(1_200_000)}`,
      raw: true,
      headers: { 'content-type': 'application/yaml' },
    });
    expect([reply.status, reply.body.code]).toEqual([413, 'request-too-large']);
  });

  it('serves its documents', async () => {
    expect((await site.get('/docs', null)).body).toContain('swagger-ui');
    expect((await site.get('/docs/assets/swagger-ui-bundle.js', null)).status).toBe(200);
    expect((await site.get('/docs/errors', null)).body).toContain('id="placement-infeasible"');
    expect((await site.get('/openapi.json', null)).body.openapi).toBe('3.1.0');
    expect((await site.get('/metrics', null)).body).toContain('sluice_http_request_seconds_bucket');
  });
});
