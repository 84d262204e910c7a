import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { economyOf } from '../domain/cost/host-economy';
import { type HostFingerprint, overcommitted, withDevices } from '../domain/host';
import type { HostId, VeeId } from '../domain/ids';
import type { Driver } from '../drivers/contract';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import { countsOf } from '../drivers/lib/device-numbers';
import type { Logger } from '../process/log';
import type { AgentSettings } from './agent-settings';
import { type CertificatesGiven, HostCertificates } from './host-certificates';
import { HostLoads } from './host-loads';
import {
  type HostReport,
  type Join,
  type JoiningHost,
  plainJoin,
  plainReport,
  type Report,
} from './plain-reports';

const RETRY_MILLIS = 500;
const REQUEST_MILLIS = 5_000;
/** An agent that told less than it knows joins again after so long: the API may be a newer one by then. */
const PLAIN_MILLIS = 600_000;
/** What is refused with every heartbeat is not worth more lines than that. */
const MILLIS_BETWEEN_COMPLAINTS = 60_000;

interface SupersededCopy {
  readonly hostId: HostId;
  readonly veeId: VeeId;
  /** Of the copy, which may be followed by a newer one on the same host. */
  readonly epoch: number;
}

interface Certified {
  readonly certificates?: CertificatesGiven;
}

interface Peer {
  readonly underlayAddress: string;
}

interface Credential {
  readonly token: string;
}

/**
 * An agent's link to its site: it joins with a join token, gets a token of its own, and reports what its
 * drivers run. All calls go out from the host, which so needs no inbound port and no database.
 */
export class AgentLink {
  private readonly settings: AgentSettings;
  private readonly drivers: ReadonlyMap<HostId, Driver>;
  private readonly log: Logger;
  private readonly credentialPath: string;
  private readonly certificates: HostCertificates;
  /** Those whose VEEs really move. */
  private certified: readonly HostId[] = [];
  private token = '';
  private stopped = false;
  private toldWhyNot: string | undefined;
  private readonly halt = new AbortController();
  private readonly loads: HostLoads;
  private readonly underlays = new Map<HostId, Pick<JoiningHost, 'underlayAddress'>>();
  /** Since when it says only what every release knows, because the API has refused more; absent while it says all. */
  private plainSince: number | undefined;
  private complainedAt = Number.NEGATIVE_INFINITY;

  constructor(
    settings: AgentSettings,
    drivers: ReadonlyMap<HostId, Driver>,
    log: Logger,
    certificates = new HostCertificates(settings.dataDir),
  ) {
    this.certificates = certificates;
    this.settings = settings;
    this.drivers = drivers;
    this.log = log;
    this.loads = new HostLoads(log);
    this.credentialPath = join(settings.dataDir, 'agent.json');
  }

  /** Announces the hosts as they are now, and tries until the API takes it. @throws when it is refused for good */
  async join(): Promise<void> {
    const kept = await readJson<Credential>(this.credentialPath);
    const hosts = await Promise.all(
      this.settings.hosts.map(async ({ id, zone, labels, devices, overcommit, ...rest }) => {
        const fingerprint = await this.driver(id).fingerprint();
        this.loads.has(id, fingerprint.capacity);
        const underlay = this.underlayOf(fingerprint);
        this.underlays.set(id, underlay);
        return {
          id,
          zone,
          labels,
          fingerprint: withDevices(overcommitted(fingerprint, overcommit), countsOf(devices)),
          ...underlay,
          ...economyOf(rest),
        };
      }),
    );
    this.certified = hosts.filter((h) => h.fingerprint.real).map((h) => h.id);
    const body: Join = { agentId: this.settings.agentId, hosts, ...(await this.certificatesAsked()) };
    this.plainSince = undefined;
    // An agent that was here before needs no join token: its own is as good.
    const tokens = [kept?.token, this.settings.joinToken].filter((t) => t !== undefined);
    if (tokens.length === 0) throw new Error('There is no token to join with: set SLUICE_JOIN_TOKEN.');
    while (!this.stopped) {
      for (const token of tokens) {
        const response = await this.tell('/v1/agents/join', token, body, plainJoin);
        if (response?.ok) {
          const answer = (await response.json()) as Partial<Credential> & Certified;
          this.token = answer.token ?? token;
          await writeJson(this.credentialPath, { token: this.token } satisfies Credential);
          await this.certificates.take(answer.certificates ?? {});
          return;
        }
        // An earlier life of this agent may still count as serving its hosts: that passes.
        const passing = response === undefined || response.status >= 500 || response.status === 409;
        if (!passing && token === tokens.at(-1))
          throw new Error(`The site refused this agent: ${response?.status} ${await response?.text()}`);
        if (response?.status === 409) await this.tellWhyNotYet(response);
      }
      await this.pause(RETRY_MILLIS);
    }
  }

  /** It may be another agent that serves the host, for good: nobody would see why this one stays outside. */
  private async tellWhyNotYet(response: Response): Promise<void> {
    const { detail } = (await response.json().catch(() => ({}))) as { detail?: string };
    if (detail === undefined || detail === this.toldWhyNot) return;
    this.toldWhyNot = detail;
    this.log.warn({ because: detail }, 'the site does not take this agent yet; it goes on asking');
  }

  async beat(): Promise<void> {
    while (!this.stopped) {
      if (this.plainSince !== undefined && performance.now() - this.plainSince > PLAIN_MILLIS)
        await this.join();
      const response = await this.tell('/v1/agents/heartbeat', this.token, await this.reports(), plainReport);
      if (response?.ok) await this.heed(response);
      if (response?.status === 401 || response?.status === 404) {
        this.log.warn(
          { status: response.status },
          'the site does not know this agent any more; joining again',
        );
        await this.join();
      }
      await this.pause(this.settings.heartbeatMillis);
    }
  }

  private async heed(response: Response): Promise<void> {
    const answer = (await response.json().catch(() => ({}))) as {
      superseded?: readonly SupersededCopy[];
      peers?: readonly Peer[];
    } & Certified;
    await this.certificates.take(answer.certificates ?? {});
    if (answer.peers) await this.tellPeers(answer.peers.map((peer) => peer.underlayAddress));
    await this.endSuperseded(answer.superseded ?? []);
  }

  /** An older API tells none, which says nothing about them. */
  private async tellPeers(addresses: readonly string[]): Promise<void> {
    for (const [hostId, driver] of this.drivers)
      await driver.setPeers?.(addresses).catch((error: unknown) => {
        // The next heartbeat will tell of them again.
        this.log.error({ err: error, hostId }, 'the host’s networks could not be told of their peers');
      });
  }

  /** Only of a host that puts VEEs on networks; what is simulated sends nobody anything. */
  private underlayOf({ real, capabilities }: HostFingerprint): Pick<JoiningHost, 'underlayAddress'> {
    const { underlayAddress } = this.settings.network;
    return real && capabilities.networks && underlayAddress ? { underlayAddress } : {};
  }

  private async certificatesAsked(): Promise<Pick<Join, 'certificates'>> {
    if (this.certified.length === 0) return {};
    return { certificates: await this.certificates.asked(this.certified) };
  }

  /** Copies that were made anew elsewhere while this host could not be reached, or ended: they must not run on. */
  private async endSuperseded(superseded: readonly SupersededCopy[]): Promise<void> {
    for (const { hostId, veeId, epoch } of superseded) {
      try {
        const copy = await this.driver(hostId).inspect(veeId);
        if (copy?.epoch !== epoch) continue;
        await this.driver(hostId).destroy({ veeId, epoch });
        this.log.warn({ hostId, veeId, epoch }, 'ended a copy that was superseded while this host was away');
      } catch (error) {
        // The next heartbeat will tell of it again.
        this.log.error({ err: error, hostId, veeId }, 'a superseded copy could not be ended');
      }
    }
  }

  /** Its own token; empty before it has joined. */
  get bearer(): string {
    return this.token;
  }

  stop(): void {
    this.stopped = true;
    this.halt.abort();
  }

  private driver(id: HostId): Driver {
    const driver = this.drivers.get(id);
    if (!driver) throw new Error(`no driver for ${id}`);
    return driver;
  }

  /** A host whose driver can't tell is left out: it counts as silent, the others do not. */
  private async reports(): Promise<Report> {
    const began = Date.now();
    const all = await Promise.all(
      [...this.drivers].map(async ([hostId, driver]) => {
        try {
          return [await this.report(hostId, driver)];
        } catch (error) {
          this.log.error({ err: error, hostId }, 'the driver can’t list its VEEs');
          return [];
        }
      }),
    );
    const certificates = await this.certificatesAsked();
    return { ageMillis: Date.now() - began, hosts: all.flat(), ...certificates };
  }

  private async report(hostId: HostId, driver: Driver): Promise<HostReport> {
    const vees = await driver.list();
    const { vees: used, dirtyKbps: dirty, ...load } = await this.loads.of(hostId, driver, vees);
    return {
      hostId,
      vees: vees.map(({ veeId, epoch, state, capacity }) => {
        const usage = used.get(veeId);
        const dirtyKbps = dirty?.get(veeId);
        return {
          ...{ veeId, epoch, state, capacity },
          ...(usage ? { used: usage } : {}),
          ...(dirtyKbps === undefined ? {} : { dirtyKbps }),
        };
      }),
      ...load,
      ...this.underlays.get(hostId),
    };
  }

  /**
   * Says all that it knows, and to an API that refuses that, as one of an earlier release does, only what every release
   * knows: a host must not be lost for more.
   */
  private async tell<T>(
    path: string,
    token: string,
    body: T,
    plain: (body: T) => T,
  ): Promise<Response | undefined> {
    if (this.plainSince === undefined) {
      const response = await this.post(path, token, body);
      if (response?.status !== 400) return response;
      await this.complain(path, response);
      this.plainSince = performance.now();
    }
    const response = await this.post(path, token, plain(body));
    if (response?.status === 400) await this.complain(path, response.clone());
    return response;
  }

  private async complain(path: string, response: Response): Promise<void> {
    const because = await response.text().catch(() => '');
    if (performance.now() - this.complainedAt < MILLIS_BETWEEN_COMPLAINTS) return;
    this.complainedAt = performance.now();
    this.log.warn(
      { path, because },
      'the API refuses what this agent tells, as an older one does; telling it only what every release knows',
    );
  }

  /** @returns undefined when the API did not answer at all */
  private async post(path: string, token: string, body: unknown): Promise<Response | undefined> {
    try {
      return await fetch(new URL(path, this.settings.apiUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.any([this.halt.signal, AbortSignal.timeout(REQUEST_MILLIS)]),
      });
    } catch (error) {
      if (!this.stopped) this.log.debug({ err: error, path }, 'the API did not answer');
      return undefined;
    }
  }

  private async pause(millis: number): Promise<void> {
    await delay(millis, undefined, { signal: this.halt.signal }).catch(() => undefined);
  }
}
