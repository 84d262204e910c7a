import { join } from 'node:path';
import type { HostId, SiteId } from '../domain/ids';
import { isDue } from '../domain/security/authorities';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import type { HostCredentials, HostIdentity } from '../drivers/lib/host-identity';
import { digestOfAuthorities, lookInto } from '../process/certificate-facts';

/** What an agent asks of its site with every report. */
export interface CertificatesAsked {
  readonly authorities?: string;
  readonly requests: readonly { readonly hostId: HostId; readonly request: string }[];
}

/** What the site answers; an API of an earlier release does not. */
export interface CertificatesGiven {
  readonly authorities?: readonly string[];
  readonly issued?: readonly { readonly hostId: string; readonly certificate: string }[];
}

interface Kept {
  readonly authorities: readonly string[];
  readonly hosts: Readonly<Record<string, Pick<HostCredentials, 'key' | 'certificate'>>>;
}

/**
 * The certificates of an agent's hosts. Their keys are made here and never leave the host; the site signs them, and
 * signs them anew before they expire, or when it has another authority.
 */
export class HostCertificates {
  private readonly path: string;
  private readonly now: () => number;
  private kept: Kept = { authorities: [], hosts: {} };
  /** Asked for, and not answered yet: the same is asked for again until it is. */
  private readonly pending = new Map<HostId, { request: string; key: string }>();

  constructor(dataDir: string, now: () => number = Date.now) {
    this.path = join(dataDir, 'certificates.json');
    this.now = now;
  }

  async load(): Promise<void> {
    this.kept = (await readJson<Kept>(this.path)) ?? this.kept;
  }

  identity(siteId: SiteId, hostId: HostId, plainPermitted: boolean): HostIdentity {
    return { siteId, hostId, plainPermitted, credentials: () => this.credentials(hostId) };
  }

  /** @param hostIds those that need one */
  async asked(hostIds: readonly HostId[]): Promise<CertificatesAsked> {
    const { requestCertificate } = hostIds.some((id) => this.needs(id))
      ? await import('../process/certificates')
      : { requestCertificate: undefined };
    for (const hostId of hostIds)
      if (requestCertificate && this.needs(hostId) && !this.pending.has(hostId))
        this.pending.set(hostId, await requestCertificate(hostId));
    return {
      authorities: digestOfAuthorities(this.kept.authorities),
      requests: [...this.pending].map(([hostId, { request }]) => ({ hostId, request })),
    };
  }

  async take({ authorities = this.kept.authorities, issued = [] }: CertificatesGiven): Promise<void> {
    const hosts = { ...this.kept.hosts };
    for (const { hostId, certificate } of issued) {
      const asked = this.pending.get(hostId as HostId);
      if (!asked) continue;
      hosts[hostId] = { key: asked.key, certificate };
      this.pending.delete(hostId as HostId);
    }
    if (authorities === this.kept.authorities && issued.length === 0) return;
    this.kept = { authorities, hosts };
    await writeJson(this.path, this.kept);
  }

  private credentials(hostId: HostId): HostCredentials | undefined {
    const own = this.kept.hosts[hostId];
    return own && { ...own, authorities: this.kept.authorities };
  }

  private needs(hostId: HostId): boolean {
    const own = this.kept.hosts[hostId];
    if (!own) return true;
    const found = lookInto(own.certificate, this.kept.authorities);
    return !found.isTrusted || isDue(found, this.now());
  }
}
