import type { ServiceId, TenantId } from '../../domain/ids';
import { admission } from '../../domain/maintenance/admission';
import { failover } from '../../domain/maintenance/failover';
import type { FailoverQuestion } from '../../domain/maintenance/failover-question';
import type { SlaClass } from '../../domain/manifest/sla-class';
import { hostRecord } from '../support/drift-states';
import { asPlaced, hostNamed, membersOf, sketch } from '../support/recompose';

/** Empty hosts of 1,000 thousandths of a core, each in a zone of its own. */
function site(count: number, least: SlaClass = 'bronze'): FailoverQuestion {
  const hosts = Array.from({ length: count }, (_, i) => hostNamed(`h${i + 1}`, { zone: `z${i + 1}` }));
  return {
    hosts: hosts.map(({ id, zone, liveness, cordoned }) => hostRecord(id, [], { zone, liveness, cordoned })),
    ...{ snapshot: { at: 0, hosts, vees: [] }, services: [], vees: [], policy: { name: 'striping' }, least },
  };
}

const service = (cpuMillis: number, instances: number, rest: Record<string, unknown> = {}) =>
  sketch([{ name: 'app', capacity: { cpuMillis, memoryMiB: 1 }, instances }], rest);
const ask = (question: FailoverQuestion, manifest: ReturnType<typeof service>) =>
  admission({ ...question, manifest, tenantId: 'acme' as TenantId });

describe('admission', () => {
  it('takes on what has room, and leaves room for each host that may be lost', () => {
    const answer = ask(site(3), service(400, 3));
    expect(answer).toMatchObject({
      admit: true,
      before: { hosts: { survived: 3, of: 3 } },
      after: { hosts: { survived: 3, of: 3 }, zones: { survived: 3, of: 3 }, pairs: { survived: 0, of: 3 } },
      own: { hosts: { survived: 3, of: 3 } },
      more: { services: 1, orMore: false },
    });
    expect(new Set(answer.places?.map((p) => p.hostId)).size).toBe(3);
  });

  it('refuses what would leave something stranded by the loss of one host', () => {
    const answer = ask(site(3), service(600, 3));
    expect(answer).toMatchObject({ admit: false, after: { hosts: { survived: 0, of: 3 } } });
    expect(answer.because).toMatch(
      /^It has room, but with it the loss of one of 3 hosts, such as h1, would strand what has a place then without it\.$/,
    );
    // What is of a lower class than asked for may be.
    expect(ask(site(3, 'gold'), service(600, 3))).toMatchObject({
      ...{ admit: true, own: { hosts: { survived: 0, of: 3 } } },
    });
    expect(ask(site(3, 'gold'), service(600, 3, { slaClass: 'gold' })).admit).toBe(false);
  });

  it('refuses what would bring in less than it costs, where it is known what VEEs bring in', () => {
    const at = (parameters?: Record<string, number>): FailoverQuestion => {
      const question = site(3);
      const hosts = question.snapshot.hosts.map((h) => ({
        ...{ ...h, price: { perHour: 0.2, perCpuHour: 1 }, failuresPerYear: 8.76 },
      }));
      const policy = { name: 'profit', ...(parameters ? { parameters } : {}) };
      return { ...question, snapshot: { ...question.snapshot, hosts }, policy };
    };
    // Two of 0.4 cores on one host: 0.2 + 0.8 an hour, and what it fails costs 2 x 0.001 x 10.
    const set = { benefitSilver: 0.5, compensationSilver: 10 };
    const answer = ask(at(set), service(400, 2, { slaClass: 'silver' }));
    expect(answer).toMatchObject({ admit: false, profit: { benefitPerHour: 1 } });
    expect(answer.profit?.perHour).toBeCloseTo(1 - 1 - 0.02, 9);
    expect(answer.because).toBe(
      'It has room, but would bring in 1 an hour, and cost 1 of hosting and 0.02 of compensation.',
    );
    expect(ask(at({ ...set, benefitSilver: 0.52 }), service(400, 2, { slaClass: 'silver' })).admit).toBe(
      true,
    );
    expect(ask(at(), service(400, 2))).toMatchObject({ admit: true });
    expect(ask(at(), service(400, 2)).profit).toBeUndefined();
  });

  it('refuses what has no room, and says why', () => {
    const answer = ask(site(2), service(600, 3));
    expect(answer.admit).toBe(false);
    expect(answer.because).toContain('cpuMillis 600 needed, 400 free');
    expect(answer.places).toBeUndefined();
  });

  it('does not blame a service for what could be lost already', () => {
    const full = site(2);
    const taken = { cpuMillis: 900, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 };
    const hosts = full.snapshot.hosts.map((h) => ({ ...h, reserved: taken }));
    const question = { ...full, snapshot: { ...full.snapshot, hosts } };
    expect(failover(question).hosts).toEqual({ survived: 2, of: 2 });
    // 100 are free on each: the one that is taken on has a place on the other, another one has none.
    const answer = ask(question, service(100, 1));
    expect(answer).toMatchObject({ admit: true, own: { hosts: { survived: 2, of: 2 } } });
    expect(ask(question, service(100, 2))).toMatchObject({ admit: false });
  });

  it('refuses what has no place after a loss, also where that loss strands others already', () => {
    const question = site(3);
    const used = { cpuMillis: 700, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 };
    const hosts = question.snapshot.hosts.map((h) => ({ ...h, reserved: used }));
    const manifest = service(700, 3);
    const other = { id: 'svc-other' as ServiceId, name: 'other', tenantId: 'acme' as TenantId };
    const vees = membersOf(manifest, 'app/0@h1', 'app/1@h2', 'app/2@h3').map((v) => ({
      ...v,
      serviceId: other.id,
    }));
    const fragile: FailoverQuestion = {
      ...question,
      snapshot: {
        ...question.snapshot,
        hosts,
        vees: vees.map((v) => ({ ...asPlaced(v), serviceId: other.id })),
      },
      services: [{ service: other, slaClass: 'bronze', manifest }],
      vees,
    };
    expect(failover(fragile).hosts).toEqual({ survived: 0, of: 3 });
    const answer = ask(fragile, service(250, 3));
    expect(answer).toMatchObject({
      ...{ admit: false, before: { hosts: { survived: 0, of: 3 } }, own: { hosts: { survived: 0, of: 3 } } },
    });
    // One that finds a place after each loss makes nothing worse.
    expect(ask(fragile, service(200, 1))).toMatchObject({
      admit: true,
      own: { hosts: { survived: 3, of: 3 } },
    });
  });
});
