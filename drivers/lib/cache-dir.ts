import { homedir } from 'node:os';
import { join } from 'node:path';

/** What was fetched or built once for this user and may be thrown away. */
export const cacheDir = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice');
