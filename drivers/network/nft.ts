/** Frames with a VLAN tag, of either kind: what an address in them belongs to, not all see who look at it. */
export const TAGGED = '{ 0x8100, 0x88a8 }';
/** How QEMU tells the bridges where a machine has gone to. */
export const RARP = '0x8035';

/** A chain with these rules and no others, whether it was there or not. */
export const chain = (family: string, name: string, rules: readonly string[]): string =>
  [
    `add chain ${family} sluice ${name}`,
    `flush chain ${family} sluice ${name}`,
    ...rules.map((rule) => `add rule ${family} sluice ${name} ${rule}`),
  ].join('\n');
