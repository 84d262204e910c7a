import type { HostEconomy } from '../domain/cost/host-economy';
import type { HostFingerprint, ReportedVee } from '../domain/host';
import type { HostId } from '../domain/ids';
import type { Usage } from '../domain/measured';
import { withoutDevices } from '../domain/units';
import type { CertificatesAsked } from './host-certificates';

/** What a heartbeat tells of a host. */
export interface HostReport {
  readonly hostId: HostId;
  readonly vees: readonly ReportedVee[];
  /** Where other hosts reach it for networks. */
  readonly underlayAddress?: string;
  readonly measured?: Usage;
  readonly accounted?: Usage;
}

export interface Report {
  readonly certificates?: CertificatesAsked;
  readonly ageMillis: number;
  readonly hosts: readonly HostReport[];
}

export interface JoiningHost extends HostEconomy {
  readonly id: HostId;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: HostFingerprint;
  readonly underlayAddress?: string;
}

export interface Join {
  readonly certificates?: CertificatesAsked;
  readonly agentId: string;
  readonly hosts: readonly JoiningHost[];
}

/*
 * APIs of earlier releases refuse what they don't know, and agents are upgraded first: so these say only what every release knows.
 */

export const plainReport = ({ ageMillis, hosts }: Report): Report => ({
  ageMillis,
  hosts: hosts.map(({ hostId, vees }) => ({
    hostId,
    vees: vees.map(({ veeId, epoch, state, capacity }) => ({
      ...{ veeId, epoch, state },
      ...(capacity ? { capacity: withoutDevices(capacity) } : {}),
    })),
  })),
});

export const plainJoin = ({ agentId, hosts }: Join): Join => ({
  agentId,
  hosts: hosts.map(({ id, zone, labels, fingerprint: { physical: _, ...fingerprint } }) => {
    const { networks: __, context: ___, ...capabilities } = fingerprint.capabilities;
    const capacity = withoutDevices(fingerprint.capacity);
    return { ...{ id, zone, labels }, fingerprint: { ...fingerprint, capabilities, capacity } };
  }),
});
