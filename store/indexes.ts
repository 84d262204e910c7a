import type { CreateIndexesOptions, Db, IndexSpecification } from 'mongodb';

const DAY_SECONDS = 86_400;

/** Every index, each for a query or a rule that is named beside it. Creating one that exists does nothing. */
const INDEXES: readonly [string, IndexSpecification, CreateIndexesOptions?][] = [
  // One living service of a name for each tenant: what makes "apply" idempotent without a key.
  ['services', { tenantId: 1, name: 1 }, { unique: true, partialFilterExpression: { live: true } }],
  ['services', { createdAt: -1, _id: -1 }],
  ['services', { tenantId: 1, createdAt: -1, _id: -1 }],
  // The few whose places are given back at a known time: every plan asks for them.
  [
    'services',
    { until: 1 },
    { name: 'living_with_end', partialFilterExpression: { live: true, until: { $exists: true } } },
  ],
  // As above: a name is free again once its reservation is over.
  ['leases', { tenantId: 1, name: 1 }, { unique: true, partialFilterExpression: { live: true } }],
  ['leases', { createdAt: -1, _id: -1 }],
  ['leases', { live: 1 }],
  // Each is one network's: what keeps networks apart, their names on the site, and their parts of the pool.
  ['networks', { vni: 1 }, { unique: true }],
  ['networks', { siteName: 1 }, { unique: true, partialFilterExpression: { siteName: { $exists: true } } }],
  ['networks', { units: 1 }, { unique: true, partialFilterExpression: { units: { $exists: true } } }],
  ['networks', { serviceId: 1 }],
  ['networks', { createdAt: -1, _id: -1 }],
  // Repeats of a removal.
  ['removedNetworks', { at: 1 }, { expireAfterSeconds: DAY_SECONDS }],
  // No address and no MAC twice, also while what was given back rests.
  ['networkLeases', { networkId: 1, offset: 1 }, { unique: true }],
  ['networkLeases', { mac: 1 }, { unique: true }],
  ['networkLeases', { veeId: 1 }],
  // The same content under the same name is the same image.
  ['images', { owner: 1, name: 1, digest: 1 }, { unique: true }],
  ['images', { name: 1 }],
  // GridFS's own, and that a content is there once.
  ['imageBlobs.chunks', { files_id: 1, n: 1 }, { unique: true }],
  ['imageBlobs.files', { filename: 1 }, { unique: true }],
  // Who uses an image.
  ['manifests', { 'manifest.components.image': 1 }],
  ['vees', { serviceId: 1, component: 1, index: 1 }],
  ['vees', { createdAt: -1, _id: -1 }],
  ['vees', { tenantId: 1, createdAt: -1, _id: -1 }],
  ['vees', { hostId: 1 }],
  // The idempotency key of a ledger event is its `_id`; this one serves usage by period.
  ['usage', { tenantId: 1, serviceId: 1, veeId: 1, seq: 1 }],
  ['usage', { veeId: 1, seq: 1 }],
  ['usage', { operationId: 1 }],
  // What has moved since: what a rebalance leaves alone.
  ['usage', { kind: 1, at: 1 }],
  ['operations', { createdAt: -1, _id: -1 }],
  ['operations', { tenantId: 1, createdAt: -1, _id: -1 }],
  ['operations', { serviceId: 1, createdAt: -1 }],
  ['operations', { state: 1, createdAt: 1 }],
  ['operations', { parentId: 1, createdAt: -1 }],
  ['operations', { hostId: 1, createdAt: -1 }],
  ['events', { at: -1, _id: -1 }],
  ['events', { tenantId: 1, at: -1, _id: -1 }],
  ['events', { serviceId: 1, at: -1 }],
  ['hosts', { joinedAt: -1, _id: -1 }],
  // The few that report a VEE that has ended by itself: looked for twice a second.
  [
    'hosts',
    { 'reported.state': 1 },
    { name: 'with_exited', partialFilterExpression: { 'reported.state': 'EXITED' } },
  ],
  // Those that licences are counted on.
  ['hosts', { licensed: 1 }, { sparse: true }],
  ['rebalances', { createdAt: 1 }],
  ['blueprints', { operationId: 1, createdAt: 1 }],
  ['blueprints', { 'assignments.veeId': 1, createdAt: -1 }],
  ['drift', { firstSeenAt: -1, _id: -1 }],
  ['drift', { veeId: 1 }],
  // What is over is kept for a week; what lasts has no such instant.
  ['drift', { mendedOn: 1 }, { expireAfterSeconds: 7 * DAY_SECONDS }],
  // Of processes that were killed; others renew theirs.
  ['siteViewMarks', { at: 1 }, { expireAfterSeconds: DAY_SECONDS }],
  ['idempotencyKeys', { createdAt: 1 }, { expireAfterSeconds: DAY_SECONDS }],
  ['joinTokens', { expiresAt: 1 }, { expireAfterSeconds: 0 }],
];

export async function ensureIndexes(db: Db): Promise<void> {
  for (const [collection, keys, options] of INDEXES)
    await db.collection(collection).createIndex(keys, options ?? {});
}
