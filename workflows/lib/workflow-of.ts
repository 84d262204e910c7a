import type { OperationKind } from '../../domain/operation/operation';

/** The workflow type that carries out each kind of operation. A type's name is kept for ever: histories hold it. */
export const WORKFLOW_OF: Readonly<Record<OperationKind, string>> = {
  'service.provision': 'provisionService',
  'service.scale': 'scaleService',
  'service.recompose': 'recomposeService',
  'service.suspend': 'suspendService',
  'service.resume': 'resumeService',
  'service.decommission': 'decommissionService',
  'service.migrate': 'migrateService',
  'service.relocate': 'relocateService',
  'vee.migrate': 'migrateVee',
  'vee.pause': 'pauseVee',
  'vee.resume': 'resumeVee',
  'vee.suspend': 'suspendVee',
  'vee.restore': 'restoreVee',
  'vee.restart': 'restartVee',
  'vee.resize': 'resizeVee',
  'vee.mend': 'mendVee',
  'vee.adopt': 'adoptVee',
  'host.drain': 'drainHost',
  'host.restore': 'restoreHost',
  'host.recover': 'recoverHost',
  'site.shutdown': 'shutDownSite',
  'site.power-up': 'powerUpSite',
  'site.reconcile': 'reconcileSite',
  'site.rebalance': 'rebalanceSite',
};
