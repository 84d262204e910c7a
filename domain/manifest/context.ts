import { Buffer } from 'node:buffer';
import { type FoundReference, referencesIn, SELF_FACTS } from '../context/references';
import type { Finding } from '../errors';
import type { Manifest, ManifestComponent } from './schema';

/** With each VEE it is sent to its host, and kept in a history: this much of one component, and of all of them … */
export const MAX_CONTEXT_BYTES = 65_536;
export const MAX_CONTEXTS_BYTES = 81_920;
/** … and this much of all VEEs that a service may have. */
const MAX_TOLD_BYTES = 4_194_304;
/** What is there belongs to the system that the VEE runs. */
const RESERVED = ['/proc', '/sys', '/dev', '/run/sluice'];
/** Each VEE has these of its own: another may stand in their place, but none below them. */
const OWN_FILES = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'];

/** Each value of a component that may hold references. */
export function contextValues(c: ManifestComponent, i: number): { value: string; pointer: string }[] {
  const at = `/components/${i}`;
  return [
    ...Object.entries(c.environment).map(([name, value]) => ({
      value,
      pointer: `${at}/environment/${name}`,
    })),
    ...(c.userData === undefined ? [] : [{ value: c.userData, pointer: `${at}/userData` }]),
    ...(c.files ?? []).map((f, n) => ({ value: f.content, pointer: `${at}/files/${n}/content` })),
  ];
}

export const referencesOf = (c: ManifestComponent, i: number): (FoundReference & { pointer: string })[] =>
  contextValues(c, i).flatMap(({ value, pointer }) =>
    referencesIn(value).map((found) => ({ ...found, pointer })),
  );

/** Is it told more than what every driver tells? A host that does not know of it would run it without a word. */
export const isToldMore = (c: ManifestComponent): boolean =>
  c.userData !== undefined ||
  c.files !== undefined ||
  c.sshKeys !== undefined ||
  referencesOf(c, 0).length > 0;

/** References that mean nothing. */
export const meaninglessReferences = (m: Manifest): Finding[] =>
  m.components.flatMap((c, i) =>
    referencesOf(c, i)
      .filter(({ reference }) => !reference)
      .map(({ text, pointer }) => ({
        pointer,
        message: `\${${text}} means nothing`,
        hint: `Write \${self.…} with one of ${SELF_FACTS.join(', ')} or address, \${component.NAME.address}, or $\${${text}} for those characters.`,
      })),
  );

/** A command is run as it is written: a reference in it would reach the VEE with its braces. */
export const referencesInCommands = (m: Manifest): Finding[] =>
  m.components.flatMap((c, i) =>
    (c.command ?? []).flatMap((word, n) =>
      referencesIn(word).map(({ text }) => ({
        pointer: `/components/${i}/command/${n}`,
        message: `\${${text}} is not replaced in a command`,
        hint: `Give the component an environment with it (HOST: \${${text}}), and name that variable here.`,
      })),
    ),
  );

export const contextBounds = (m: Manifest): Finding[] => {
  const hint = 'Put what is larger on the disk or into the image, or let the VEE fetch it.';
  const sizes = m.components.map(({ userData, files, sshKeys }) =>
    userData === undefined && !files && !sshKeys
      ? 0
      : Buffer.byteLength(JSON.stringify([userData, files, sshKeys])),
  );
  const large = sizes.flatMap((size, i) =>
    size > MAX_CONTEXT_BYTES
      ? [
          {
            pointer: `/components/${i}`,
            message: `user data, files and keys take ${size} bytes, over ${MAX_CONTEXT_BYTES}`,
            hint,
          },
        ]
      : [],
  );
  if (large.length > 0) return large;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const told = m.components.reduce((sum, c, i) => sum + (sizes[i] ?? 0) * c.instances.max, 0);
  if (total > MAX_CONTEXTS_BYTES)
    return [
      {
        pointer: '/components',
        message: `user data, files and keys take ${total} bytes together, over ${MAX_CONTEXTS_BYTES}`,
        hint,
      },
    ];
  if (told <= MAX_TOLD_BYTES) return [];
  return [
    {
      pointer: '/components',
      message: `user data, files and keys of all VEEs take ${told} bytes, over ${MAX_TOLD_BYTES}`,
      hint,
    },
  ];
};

export const filePaths = (m: Manifest): Finding[] =>
  m.components.flatMap((c, i) =>
    (c.files ?? []).flatMap(({ path }, n) => {
      const message = faultOfPath(
        path,
        (c.files ?? []).slice(0, n).map((f) => f.path),
      );
      if (!message) return [];
      const hint = 'Write the whole path of a file of its own, such as /etc/app/app.conf.';
      return [{ pointer: `/components/${i}/files/${n}/path`, message, hint }];
    }),
  );

function faultOfPath(path: string, earlier: readonly string[]): string | undefined {
  const parts = path.split('/').slice(1);
  if (parts.some((p) => p === '' || p === '.' || p === '..')) return `${path} is not the shortest way there`;
  if (parts.length < 2) return `${path} is not in a folder`;
  const reserved = RESERVED.find((r) => path === r || path.startsWith(`${r}/`));
  if (reserved) return `${reserved} is not for files of a service`;
  const own = OWN_FILES.find((file) => path.startsWith(`${file}/`));
  if (own) return `${own} is a file, which can have none below it`;
  const other = earlier.find((e) => e === path || e.startsWith(`${path}/`) || path.startsWith(`${e}/`));
  if (other === path) return `${path} is in the list twice`;
  return other ? `${path} and ${other} can’t both be files` : undefined;
}
