/**
 * A placement policy to begin one's own with: the greenest host, by its label `carbon` (grams of CO2 a kilowatt hour); among
 * those that are as green, the emptiest. docs/guides/write-a-policy.md tells the rest.
 */
module.exports = {
  // Which host comes first, in words: `sluice explain` says "the greenest of the 7 hosts that can take it".
  takes: 'the greenest',

  // What `sluice rebalance` works towards under it: 'even' (hosts loaded alike), 'few-hosts', or 'none'. It knows nothing of
  // scores: evening hosts out would take VEEs away from the greenest ones.
  goal: 'none',

  // Numbers that `sluice policy set greenest --set KEY=NUMBER` may change, with what they usually are.
  parameters: {
    // What a host without the label is taken for.
    unlabelled: 1000,
    // What a host that would be full costs beside one that would be empty, in grams.
    fullness: 10,
  },

  // One number for a host that can take what is to be placed: the lowest is chosen.
  score({ host, placing, parameters }) {
    const carbon = Number(host.labels.carbon ?? parameters.unlabelled);
    const cpuMillis = host.reserved.cpuMillis + placing.need.cpuMillis;
    return carbon + (parameters.fullness * cpuMillis) / Math.max(host.capacity.cpuMillis, 1);
  },
};
