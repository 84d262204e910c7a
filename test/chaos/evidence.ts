import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { Json } from '../support/json';
import type { TestSite } from '../support/site';

const NAMESPACE = 'sluice';

/**
 * What a person needs to find out what went wrong, before the site is gone: the logs of all processes, what the
 * hosts hold, all records, and the history of each operation that a violation names or that has not ended.
 */
export async function keepEvidence(
  site: TestSite,
  folder: string,
  violations: readonly string[],
): Promise<void> {
  await mkdir(join(folder, 'histories'), { recursive: true });
  await cp(join(site.dataDir, 'logs'), join(folder, 'logs'), { recursive: true });
  await cp(join(site.dataDir, 'agents'), join(folder, 'agents'), { recursive: true });
  const records: Record<string, Json[]> = {};
  for (const list of ['services', 'vees', 'hosts', 'operations', 'events'])
    records[list] = await site.all(`/v1/${list}`).catch((error) => [String(error)]);
  for (const [list, items] of Object.entries(records))
    await writeFile(join(folder, `${list}.json`), JSON.stringify(items, undefined, 1));

  const text = violations.join('\n');
  const vees = (records.vees ?? []).filter((v) => text.includes(v.id));
  const concerned = (records.operations ?? []).filter(
    (o) =>
      o.endedAt === undefined ||
      text.includes(o.id) ||
      vees.some((v) => o.veeId === v.id || (o.veeId === undefined && o.serviceId === v.serviceId)),
  );
  const connection = await Connection.connect({ address: site.system.child('temporal').spec.address ?? '' });
  const client = new Client({ connection, namespace: NAMESPACE });
  for (const { id } of concerned) {
    const history = await client.workflow
      .getHandle(`operation/${id}`)
      .fetchHistory()
      .then(historyToJSON, String);
    await writeFile(join(folder, 'histories', `${id}.json`), history);
  }
  await connection.close();
}
