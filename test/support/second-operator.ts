import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeToken } from '../../store/identities';
import type { TestSite } from './site';

/**
 * Another operator of a site. No route makes one yet, so it is recorded as the first one was: by a process of its
 * own, since MongoDB's driver does not know its own objects again inside Jest.
 * @returns the token
 */
export async function secondOperator(site: TestSite): Promise<string> {
  const token = makeToken('operator');
  const built = (path: string) => JSON.stringify(join(process.cwd(), 'dist', 'store', path));
  const script = `
    const { connectStore } = require(${built('connect.js')});
    const { createStore } = require(${built('store.js')});
    connectStore(process.env.MONGODB_URI, ${JSON.stringify(site.system.options.database)}).then(async (store) => {
      const identity = { role: 'operator', name: 'second', createdAt: Date.now() };
      await createStore(store).identities.grant(${JSON.stringify(token)}, identity);
      await store.close();
    });`;
  await promisify(execFile)(process.execPath, ['-e', script]);
  return token;
}
