import type { ServiceId } from '../ids';
import type { VeeRecord } from '../vee/vee';
import type { DriftFinding, DriftState, UnderWay } from './model';

/** What is under way, and so may explain a difference: whoever works on a VEE changes host and record one after the other. */
export class Excuses {
  private readonly ofSite: UnderWay | undefined;
  private readonly byHost = new Map<string, UnderWay>();
  private readonly byService = new Map<ServiceId, UnderWay>();
  private readonly vees: ReadonlyMap<string, VeeRecord>;

  constructor({ underWay, vees }: DriftState) {
    for (const o of underWay) {
      if (o.serviceId) this.byService.set(o.serviceId, o);
      else if (o.hostId) this.byHost.set(o.hostId, o);
    }
    this.ofSite = underWay.find((o) => o.kind === 'site.shutdown' || o.kind === 'site.power-up');
    this.vees = new Map(vees.map((v) => [v.vee.id, v.vee]));
  }

  /** @returns what explains the finding, or may */
  of(f: DriftFinding): string | undefined {
    const vee = this.vees.get(f.veeId);
    const holder = this.byHost.get(f.hostId);
    if (holder) return told(holder);
    return vee ? this.ofVee(vee) : this.ofSite && told(this.ofSite);
  }

  ofVee(vee: VeeRecord): string | undefined {
    const holder = this.byService.get(vee.serviceId) ?? this.byHost.get(vee.hostId) ?? this.ofSite;
    return holder && told(holder);
  }
}

const told = ({ id, kind, state }: UnderWay) =>
  `${kind} ${id} is ${state === 'stuck' ? 'stuck and waits for a person' : 'under way'}`;
