import { isAbsolute } from 'node:path';

const PACKAGE = /^npm:((?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*)$/;

/** `@acme/sluice-driver-x` of `npm:@acme/sluice-driver-x`. */
export const packageOf = (name: string): string | undefined => PACKAGE.exec(name)?.[1];

/** A package, or a path: `./drivers/x`, `/opt/drivers/x`. */
export const isExternal = (name: string): boolean =>
  PACKAGE.test(name) || isAbsolute(name) || /^\.\.?\//.test(name);
