import type { NetworkAttachment } from '../../domain/network/attachment';
import { resolversOf } from '../../domain/network/resolver';
import { authorizedKeys, modeOf, type ToldContext } from '../lib/vee-context';
import { iso9660 } from './iso9660';

/** By which cloud-init's data source NoCloud knows the disk. */
const LABEL = 'cidata';
const BOUNDARY = 'sluice-part-e1f0b6c2';

/**
 * The disk from which cloud-init learns what a machine is: `meta-data` and `user-data` (its data source NoCloud). The
 * same for the same VEE, wherever and whenever it is made.
 * @param veeId by which cloud-init tells a machine that it has set up already from a new one
 */
export function cloudInitSeed(
  veeId: string,
  told: ToldContext,
  networks: readonly NetworkAttachment[] = [],
): Buffer {
  const metaData = {
    'instance-id': veeId,
    'local-hostname': told.hostname,
    ...(told.sshKeys.length > 0 ? { 'public-keys': told.sshKeys } : {}),
    sluice: told.identity,
  };
  // JSON is YAML.
  return iso9660(LABEL, {
    'meta-data': `${JSON.stringify(metaData)}\n`,
    'user-data': userData(told),
    ...(networks.length > 0 ? { 'network-config': `${JSON.stringify(networkConfig(networks))}\n` } : {}),
  });
}

/** Version 2, by hardware address: an image may name its interfaces as it likes. */
const networkConfig = (networks: readonly NetworkAttachment[]) => ({
  version: 2,
  ethernets: Object.fromEntries(
    networks.map(({ mac, mtu, addresses }, index) => [
      `eth${index}`,
      {
        ...{ match: { macaddress: mac }, 'set-name': `eth${index}`, mtu, dhcp4: false, dhcp6: false },
        nameservers: { addresses: resolversOf([{ addresses }]) },
        addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
        routes: addresses.flatMap(({ gateway: via }) =>
          via ? [{ to: via.includes(':') ? '::/0' : '0.0.0.0/0', via }] : [],
        ),
      },
    ]),
  ),
});

/** What the manifest says, and its files, which are given to cloud-init as a part of their own. */
function userData({ userData: own, files }: ToldContext): string {
  if (files.length === 0) return own ?? '#cloud-config\n{}\n';
  const config = {
    // Of both parts, whichever comes first.
    merge_how: 'dict(recurse_array)+list(append)+str()',
    write_files: files.map((file) => ({
      path: file.path,
      encoding: 'b64',
      content: Buffer.from(file.content).toString('base64'),
      permissions: modeOf(file).toString(8).padStart(4, '0'),
    })),
  };
  const written = `#cloud-config\n${JSON.stringify(config)}\n`;
  if (own === undefined) return written;
  const part = (type: string, text: string) =>
    [
      `--${BOUNDARY}`,
      `Content-Type: ${type}; charset="utf-8"`,
      'MIME-Version: 1.0',
      'Content-Transfer-Encoding: base64',
      '',
      lines(Buffer.from(text).toString('base64')),
    ].join('\n');
  return [
    `Content-Type: multipart/mixed; boundary="${BOUNDARY}"`,
    'MIME-Version: 1.0',
    '',
    part('text/cloud-config', written),
    // Of plain text cloud-init looks itself what it is, by its first line.
    part('text/plain', own),
    `--${BOUNDARY}--`,
    '',
  ].join('\n');
}

const lines = (base64: string) => (base64.match(/.{1,76}/g) ?? []).join('\n');

/** A script that puts the same there in a guest that has a shell and no cloud-init. */
export function scriptOf(told: ToldContext, quoted: (word: string) => string): string {
  const files = [
    { path: '/run/sluice/vee.json', content: JSON.stringify(told.identity) },
    ...(told.userData === undefined
      ? []
      : [{ path: '/run/sluice/user-data', content: told.userData, mode: '0600' }]),
    ...(told.sshKeys.length > 0
      ? [{ path: '/run/sluice/authorized_keys', content: authorizedKeys(told.sshKeys) }]
      : []),
    ...told.files,
  ];
  return files
    .map((file) => {
      const at = quoted(file.path);
      const folder = quoted(file.path.slice(0, file.path.lastIndexOf('/')));
      return `mkdir -p ${folder}; printf %s ${quoted(file.content)} > ${at}; chmod ${modeOf(file).toString(8)} ${at}\n`;
    })
    .join('');
}
