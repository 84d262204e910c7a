import { amountOf, type Capacity, deviceOf, dimensionsOf, isDevice } from '../../domain/units';
import { utcText } from '../../domain/utc';
import type { Namer } from '../names';
import { ago, seconds } from '../output';

export type Row = Readonly<Record<string, unknown>>;

export interface Listing {
  /** Rows that are over, hidden unless they are asked for. */
  readonly over?: (item: Row) => boolean;
  readonly head: readonly string[];
  /** A column that is shown only when a row has something in it. */
  readonly seldom?: string;
  readonly row: (item: Row, namer: Namer) => (string | number)[];
}

const text = (value: unknown) => String(value ?? '');
const gauge = (used: unknown, of: unknown, key: string) =>
  `${(used as Record<string, number>)[key]}/${(of as Record<string, number>)[key]}`;

/** Without the column that is empty in all rows. */
export function columnsOf({ head, row, seldom }: Listing, items: readonly Row[], namer: Namer) {
  const rows = items.map((item) => row(item, namer));
  const empty = head.findIndex((name, i) => name === seldom && rows.every((r) => r[i] === ''));
  const kept = <T>(of: readonly T[]) => of.filter((_, i) => i !== empty);
  return { head: kept(head), rows: rows.map(kept) };
}

/** Such as `gpu 1/4`; nothing of a host without any. */
const devicesOf = (reserved: Capacity, of: Capacity) =>
  dimensionsOf(of)
    .filter(isDevice)
    .map((d) => `${deviceOf(d)} ${amountOf(reserved, d)}/${amountOf(of, d)}`)
    .join(', ');

export const LISTINGS: Readonly<Record<string, Listing>> = {
  services: {
    over: (s) => s.phase === 'decommissioned',
    head: ['id', 'name', 'tenant', 'phase', 'instances', 'age'],
    row: (s) => [
      text(s.id),
      text(s.name),
      text(s.tenantId),
      s.until === undefined ? text(s.phase) : `${text(s.phase)}, ends ${utcText(Number(s.until))}`,
      Object.entries(s.instances as object)
        .map(([c, n]) => `${c}=${n}`)
        .join(' '),
      ago(Number(s.createdAt)),
    ],
  },
  vees: {
    over: (v) => v.state === 'DESTROYED',
    head: ['id', 'service', 'component', 'state', 'observed', 'host', 'addresses', 'epoch', 'age'],
    seldom: 'addresses',
    row: (v, { service }) => [
      text(v.id),
      service(text(v.serviceId)),
      `${v.component}/${v.index}`,
      text(v.state),
      text(v.observed ?? '-'),
      text(v.hostId),
      ((v.networks ?? []) as readonly { addresses: readonly string[] }[])
        .flatMap((n) => n.addresses)
        .join(', '),
      text(v.epoch),
      ago(Number(v.createdAt)),
    ],
  },
  hosts: {
    head: ['id', 'zone', 'driver', 'liveness', 'in use', 'cpu millis', 'memory MiB', 'devices', 'vees'],
    seldom: 'devices',
    row: (h) => {
      const print = h.fingerprint as { driver: string; capacity: Capacity };
      return [
        text(h.id),
        text(h.zone),
        print.driver,
        text(h.liveness),
        standing(h),
        gauge(h.reserved, print.capacity, 'cpuMillis'),
        gauge(h.reserved, print.capacity, 'memoryMiB'),
        devicesOf(h.reserved as Capacity, print.capacity),
        text(h.vees),
      ];
    },
  },
  operations: {
    head: ['id', 'kind', 'subject', 'state', 'progress', 'took', 'age'],
    row: (o, { subject }) => {
      const { done, total } = o.progress as { done: number; total: number };
      const end = o.endedAt === undefined ? Date.now() : Number(o.endedAt);
      return [
        text(o.id),
        text(o.kind),
        subject(o),
        text(o.state),
        `${done}/${total}`,
        seconds(end - Number(o.createdAt)),
        ago(Number(o.createdAt)),
      ];
    },
  },
  drift: {
    head: ['vee', 'host', 'kind', 'recorded', 'reported', 'action', 'because', 'age'],
    row: (d) => {
      const state = (of: unknown) => {
        const { state: name, epoch } = (of ?? {}) as { state?: string; epoch?: number };
        return name === undefined ? '-' : `${name}@${epoch}`;
      };
      return [
        text(d.label ?? d.veeId),
        text(d.hostId),
        text(d.kind),
        state(d.recorded),
        state(d.reported),
        text(d.action),
        text(d.because),
        ago(Number(d.firstSeenAt)),
      ];
    },
  },
  tenants: {
    head: ['id', 'kept apart from', 'age'],
    row: (t) => [
      text(t.id),
      ((t.apartFrom as string[] | undefined) ?? []).join(', ') || '-',
      ago(Number(t.createdAt)),
    ],
  },
  reservations: {
    over: (l) => l.state === 'ended' || l.state === 'cancelled',
    head: ['id', 'name', 'tenant', 'state', 'places', 'from', 'until'],
    row: (l) => [
      ...[text(l.id), text(l.name), text(l.tenantId)],
      `${text(l.state)}${l.atRisk ? ', at risk' : ''}`,
      text(l.count),
      utcText(Number(l.from)),
      utcText(Number(l.until)),
    ],
  },
  networks: {
    head: ['id', 'name', 'of', 'ipv4', 'ipv6', 'in use'],
    row: (n) => [
      ...[text(n.id), text(n.name), text(n.tenantId ?? 'site'), text(n.ipv4 ?? '-'), text(n.ipv6 ?? '-')],
      `${text(n.inUse ?? '?')}/${text(n.addresses)}`,
    ],
  },
  images: {
    head: ['name', 'owner', 'format', 'state', 'hosts', 'id'],
    row: (i) => [
      ...[text(i.name), text(i.owner), text(i.format)],
      ...[i.deprecated ? 'deprecated' : text(i.state), text(i.hosts), text(i.id)],
    ],
  },
  holdings: {
    head: ['host', 'vee', 'operation', 'cpu millis', 'memory MiB'],
    row: (r) => {
      const amount = r.amount as { cpuMillis: number; memoryMiB: number };
      return [text(r.hostId), text(r.veeId), text(r.operationId), amount.cpuMillis, amount.memoryMiB];
    },
  },
};

/** Does it take VEEs, and if not why? */
function standing({ cordoned, maintenance, fenced }: Row): string {
  if (fenced) return 'fenced';
  if (maintenance) return (maintenance as { drained: boolean }).drained ? 'drained' : 'draining';
  return cordoned ? 'cordoned' : 'yes';
}

export const UNPAGED = new Set(['images', 'holdings']);
