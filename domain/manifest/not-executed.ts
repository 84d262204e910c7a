import type { Finding } from '../errors';
import type { Manifest } from './schema';

/**
 * Parts of a well-formed manifest that this release does not execute. They are refused: a provider who
 * wrote an SLO must not believe that it is watched. Deleting an entry here is part of executing it.
 */
export function notExecuted(m: Manifest): Finding[] {
  const found: Finding[] = [];
  const refuse = (pointer: string, what: string, hint: string) => {
    found.push({ pointer, message: `${what} is not executed by this release`, hint });
  };
  m.elasticity.rules.forEach((_, i) => {
    refuse(
      `/elasticity/rules/${i}`,
      'an elasticity rule',
      'Scale by hand: sluice scale SERVICE/COMPONENT N.',
    );
  });
  m.slos.forEach((_, i) => {
    refuse(`/slos/${i}`, 'a service level objective', 'Remove it until SLOs are watched.');
  });
  m.monitoring.kpis.forEach((_, i) => {
    refuse(`/monitoring/kpis/${i}`, 'a KPI', 'Remove it until measurements are taken.');
  });
  m.components.forEach((c, i) => {
    if (c.readiness.kind === 'tcp' || c.readiness.kind === 'http')
      refuse(
        `/components/${i}/readiness`,
        `readiness by ${c.readiness.kind}`,
        'Use kind "exec" or "running".',
      );
  });
  m.components.forEach((c, i) => {
    c.ports?.forEach((p, n) => {
      if (p.public !== undefined)
        refuse(
          `/components/${i}/ports/${n}/public`,
          'a public port',
          'Put the component on a network of the site that leads outside, and allow from "any".',
        );
    });
  });
  m.placement.antiAffinity.forEach((a, i) => {
    if (a.level === 'site')
      refuse(
        `/placement/antiAffinity/${i}/level`,
        'anti-affinity by site',
        'Use level "host" or "zone": all of a service is placed on one site.',
      );
  });
  return found;
}
