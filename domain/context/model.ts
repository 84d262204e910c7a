/** A file that a VEE finds when it starts. It can read it, and not change it. */
export interface ContextFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
  /** In octal digits, such as `0600`; 0644 when left out. */
  readonly mode?: string | undefined;
}

/** What the members of a component are told beside their environment. May hold references, as the environment may. */
export interface VeeContext {
  readonly userData?: string;
  readonly files?: readonly ContextFile[];
  /** Public keys, in the form of `authorized_keys`. */
  readonly sshKeys?: readonly string[];
}
