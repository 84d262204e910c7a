import { setTimeout as delay } from 'node:timers/promises';
import type { HostId, VeeId } from '../domain/ids';
import type { Usage } from '../domain/measured';
import type { Driver, Measurement, VeeStatus } from '../drivers/contract';
import type { Logger } from '../process/log';
import { type HostUsage, LoadMeter } from './load-meter';

/** A heartbeat does not wait for longer. */
const DEADLINE_MILLIS = 1_000;
/** What was measured last is told for so long where nothing can be measured. */
const KEPT_MILLIS = 60_000;

interface Taken {
  readonly at: number;
  readonly measurement: Measurement | undefined;
}

/** What the hosts of an agent use, for its heartbeats: that nothing can be measured must not make a host fall silent. */
export class HostLoads {
  private readonly log: Logger;
  private readonly meter = new LoadMeter();
  private readonly capacities = new Map<HostId, Usage>();
  private readonly last = new Map<HostId, { at: number; usage: HostUsage }>();
  /** One measurement at a time: what comes too late for a heartbeat is for the next. */
  private readonly asked = new Map<HostId, Promise<Taken>>();
  private readonly failing = new Set<HostId>();

  constructor(log: Logger) {
    this.log = log;
  }

  /** @param capacity what a host really has */
  has(hostId: HostId, capacity: Usage): void {
    this.capacities.set(hostId, capacity);
  }

  /** @param listed what runs there, as its driver has just said */
  async of(
    hostId: HostId,
    driver: Pick<Driver, 'measure'>,
    listed: readonly VeeStatus[],
  ): Promise<HostUsage> {
    const capacity = this.capacities.get(hostId);
    if (!capacity) return { vees: new Map() };
    try {
      const needs = new Map(listed.map((v) => [v.veeId, v.capacity]));
      const { at, measurement } = await this.taken(hostId, driver, [...needs.keys()]);
      const usage = this.meter.read(hostId, measurement, { capacity, needs }, at);
      this.last.set(hostId, { at, usage });
      this.failing.delete(hostId);
      return usage;
    } catch (error) {
      if (!this.failing.has(hostId))
        this.log.warn({ err: error, hostId }, 'what is in use can’t be measured');
      this.failing.add(hostId);
      const last = this.last.get(hostId);
      return last && performance.now() - last.at < KEPT_MILLIS ? last.usage : { vees: new Map() };
    }
  }

  private async taken(
    hostId: HostId,
    driver: Pick<Driver, 'measure'>,
    listed: readonly VeeId[],
  ): Promise<Taken> {
    const taking =
      this.asked.get(hostId) ??
      driver.measure(listed).then((measurement) => ({ at: performance.now(), measurement }));
    this.asked.set(hostId, taking);
    const stop = new AbortController();
    const late = delay(DEADLINE_MILLIS, undefined, { signal: stop.signal }).then(
      () => 'late' as const,
      () => 'late' as const,
    );
    try {
      const taken = await Promise.race([taking, late]);
      if (taken === 'late') throw new Error(`It takes longer than ${DEADLINE_MILLIS} ms.`);
      this.asked.delete(hostId);
      return taken;
    } catch (error) {
      // Only what is still under way is waited for.
      void taking.catch(() => this.asked.delete(hostId));
      throw error;
    } finally {
      stop.abort();
    }
  }
}
