import type { HostId, VeeId } from '../domain/ids';
import type { VeeRecord } from '../domain/vee/vee';
import { addressLeaseRepository } from './address-leases';
import { authorityRepository } from './authorities';
import type { StoreConnection } from './connect';
import { driftRepository } from './drift';
import { type HostRepository, hostRepository, toSnapshotHost } from './hosts';
import { identityRepository } from './identities';
import { imageBlobRepository } from './image-blobs';
import { imageRepository } from './images';
import { leaseRepository } from './leases';
import { licenceRepository } from './licences';
import { networkRepository } from './networks';
import { operationRepository } from './operations';
import { rebalanceRepository } from './rebalances';
import { recompositionRepository } from './recompositions';
import { blueprintRepository, eventRepository, idempotencyRepository } from './records';
import { serviceRepository } from './services';
import { siteRepository } from './site';
import { type SiteContentsOptions, siteContents } from './site-contents';
import { type VeeRepository, veeRepository } from './vees';
import { worklistRepository } from './worklists';

/** One repository a collection, and what needs several of them. */
export function createStore({ client, db }: StoreConnection, options: SiteContentsOptions = {}) {
  const licences = licenceRepository(client, db);
  const hosts = hostRepository(db, licences);
  const vees = veeRepository(client, db);
  const addresses = addressLeaseRepository(db);
  return {
    hosts,
    vees,
    licences,
    contents: siteContents(
      db,
      {
        hosts: async (ids) => (await hosts.offers(ids)).map(toSnapshotHost),
        places: vees.places,
        loads: hosts.loads,
      },
      options,
    ),
    exitedVees: () => findExited(hosts, vees),
    services: serviceRepository(client, db),
    leases: leaseRepository(client, db),
    networks: networkRepository(db, addresses),
    addresses,
    images: imageRepository(db),
    imageBlobs: imageBlobRepository(db),
    operations: operationRepository(db),
    site: siteRepository(db),
    blueprints: blueprintRepository(db),
    recompositions: recompositionRepository(db),
    rebalances: rebalanceRepository(db),
    worklists: worklistRepository(db),
    events: eventRepository(db),
    drift: driftRepository(db),
    idempotency: idempotencyRepository(db),
    identities: identityRepository(db),
    authorities: authorityRepository(db),
    ping: async () => {
      await db.command({ ping: 1 });
    },
  };
}

export type Store = ReturnType<typeof createStore>;

/** VEES that are recorded ACTIVE, and that their host has since reported as ended. */
async function findExited(
  hosts: HostRepository,
  vees: VeeRepository,
): Promise<{ vee: VeeRecord; hostId: HostId }[]> {
  const found: { vee: VeeRecord; hostId: HostId }[] = [];
  for (const host of await hosts.withExited())
    for (const report of host.reported) {
      if (report.state !== 'EXITED') continue;
      const vee = await vees.get(report.veeId as VeeId);
      const current =
        vee?.state === 'ACTIVE' &&
        vee.transition === null &&
        vee.hostId === host.id &&
        vee.epoch === report.epoch;
      if (current && host.reportedAt > vee.updatedAt) found.push({ vee, hostId: host.id });
    }
  return found;
}
