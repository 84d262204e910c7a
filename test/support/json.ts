/**
 * An answer of the API or of the command line, whose shape the product's own schemas state: tests reach into it
 * and compare, so a type here would only be a second copy of those schemas.
 */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any;
