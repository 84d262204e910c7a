/**
 * Preloaded into the bundle, before the sandbox freezes its globals (see bundle-workflows.ts). The SDK takes a
 * stack trace for every promise that a workflow makes, source maps and all: a quarter of what the site worker does in a
 * provisioning (docs/adr/0013). Its own two frames come first, so two leave nothing to look up for those; an
 * error still tells where it was thrown and by whom.
 */
Error.stackTraceLimit = 2;
