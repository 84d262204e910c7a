import type { Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { Stored } from './documents';
import { HELD } from './host-promises';
import { devicesHeld } from './host-reservations';

const RECOUNTED: Document = {
  $arrayToObject: {
    $map: {
      input: { $objectToArray: '$reserved.devices' },
      as: 'device',
      in: { k: '$$device.k', v: devicesHeld('$$device.k', HELD) },
    },
  },
};

/** What is reserved of devices, counted anew: a release of Sluice that knew of none gave back none. */
export function hostRecount(hosts: Collection<Stored<HostRecord>>) {
  return {
    /** One write for each host, from its own document; nothing is written where it is right. */
    async recountDevices(): Promise<number> {
      const known = { 'reserved.devices': { $type: 'object' } } as Document;
      const { modifiedCount } = await hosts.updateMany(known, [{ $set: { 'reserved.devices': RECOUNTED } }]);
      return modifiedCount;
    },
  };
}
