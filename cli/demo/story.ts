import type { ApiClient, OperationView } from '../client';
import { describeEnd, stepPrinter } from '../output';

export interface OperationRow {
  readonly kind: string;
  readonly id: string;
  readonly state: string;
  readonly ms: number;
  readonly steps: readonly { readonly name: string; readonly ms: number }[];
}

export interface VeeRow {
  readonly id: string;
  readonly component: string;
  readonly index: number;
  readonly state: string;
  readonly hostId: string;
}

export const TENANT = 'demo';

/** What the chapters of the demo tell, and what ran meanwhile. */
export class Story {
  readonly client: ApiClient;
  readonly say: (line: string) => void;
  /** Filled as the story goes on, so that a story cut short still tells what ran. */
  readonly operations: OperationRow[];

  constructor(client: ApiClient, say: (line: string) => void, operations: OperationRow[]) {
    this.client = client;
    this.say = say;
    this.operations = operations;
  }

  apply(manifest: string): Promise<OperationView> {
    return this.client.write('POST', `/v1/services?tenant=${TENANT}`, manifest, 'application/yaml');
  }

  migrate(vee: VeeRow): Promise<OperationView> {
    return this.client.write('POST', `/v1/vees/${vee.id}/migrate`, {});
  }

  /** Tells an operation to its end. @throws Error when that is not the one that was meant */
  async conclude(
    what: string,
    started: OperationView,
    seen: (o: OperationView) => void = () => undefined,
  ): Promise<OperationView> {
    this.say(`\n${what}`);
    const print = stepPrinter(this.say);
    const ended = await this.client.follow(started.id, (o) => {
      print(o);
      seen(o);
    });
    this.say(describeEnd(ended));
    this.operations.push(record(ended));
    if (ended.state !== 'completed') throw new Error(`${ended.kind} ended ${ended.state}`);
    return ended;
  }

  async living(serviceId: string): Promise<VeeRow[]> {
    const vees = await this.client.list<VeeRow>('/v1/vees', { service: serviceId });
    return vees.filter((v) => v.state !== 'DESTROYED');
  }

  async member(serviceId: string, component: string): Promise<VeeRow> {
    const vee = (await this.living(serviceId)).find((v) => v.component === component);
    if (!vee) throw new Error(`the service has no ${component}`);
    return vee;
  }

  async showVees(serviceId: string): Promise<void> {
    for (const v of await this.living(serviceId))
      this.say(`  ${`${v.component}/${v.index}`.padEnd(10)}${v.state} on ${v.hostId}`);
  }
}

function record(o: OperationView): OperationRow {
  const steps = o.steps.map((s) => ({ name: s.name, ms: (s.endedAt ?? s.startedAt) - s.startedAt }));
  return { kind: o.kind, id: o.id, state: o.state, ms: (o.endedAt ?? Date.now()) - o.createdAt, steps };
}
