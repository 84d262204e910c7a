/** Every workflow of a site worker. The names are the workflow types. */
export { hostEntity } from './host/entity';
export { watch } from './host/watch';
export { decommissionService } from './service/decommission';
export { service } from './service/entity';
export { provisionService } from './service/provision';
export { resumeService } from './service/resume';
export { scaleService } from './service/scale';
export { suspendService } from './service/suspend';
export { siteEntity } from './site/entity';
export { migrateVee } from './vee/migrate';
export { pauseVee } from './vee/pause';
export { readVeeLogs } from './vee/read-logs';
export { resizeVee } from './vee/resize';
export { restartVee } from './vee/restart';
export { restoreVee } from './vee/restore';
export { resumeVee } from './vee/resume';
export { suspendVee } from './vee/suspend';
