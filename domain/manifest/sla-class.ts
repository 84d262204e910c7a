/** The order in which services are restarted when there may not be room for all. */
export const SLA_CLASSES = ['gold', 'silver', 'bronze'] as const;
export type SlaClass = (typeof SLA_CLASSES)[number];
/** Of a service that names none. */
export const DEFAULT_SLA_CLASS: SlaClass = 'bronze';

/** Is a class this good, or better? */
export const isAtLeast = (slaClass: SlaClass, least: SlaClass): boolean =>
  SLA_CLASSES.indexOf(slaClass) <= SLA_CLASSES.indexOf(least);
