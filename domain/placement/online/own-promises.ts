import type { LeaseId } from '../../ids';
import { add, atLeastNothing, type Capacity, subtract, ZERO } from '../../units';

/** Of something that uses a reservation: which one, and how much of that it uses. */
export interface Account {
  readonly leaseId: LeaseId;
  readonly need: Capacity;
}

/** Gives a host room, or takes it. */
type Grant = (amount: Capacity, host: number, times: 1 | -1) => void;

interface Own {
  readonly promised: Capacity;
  used: Capacity;
}

/**
 * What of a site is promised to reservations whose users are put on it: no room for others, while a user's place comes out
 * of it first. Mutable, private to one site.
 */
export class OwnPromises {
  private readonly byLease = new Map<LeaseId, Map<number, Own>>();

  /** @param promised of a host that holds that much back, as long as nobody uses it */
  keep(leaseId: LeaseId, host: number, promised: Capacity): void {
    const hosts = this.byLease.get(leaseId) ?? new Map<number, Own>();
    hosts.set(host, { promised, used: ZERO });
    this.byLease.set(leaseId, hosts);
  }

  /** @param times 1 when something has come to a host, -1 when it has gone */
  use({ leaseId, need }: Account, host: number, times: 1 | -1, grant: Grant): void {
    const own = this.byLease.get(leaseId)?.get(host);
    if (!own) return;
    const before = leftOf(own);
    own.used = times === 1 ? add(own.used, need) : subtract(own.used, need);
    grant(subtract(before, leftOf(own)), host, 1);
  }

  /** Works on the site as the users of a reservation find it. */
  asOwn<T>(leaseId: LeaseId, grant: Grant, work: () => T): T {
    const left = [...(this.byLease.get(leaseId) ?? [])].map(([host, own]) => ({ host, amount: leftOf(own) }));
    for (const { host, amount } of left) grant(amount, host, 1);
    const answer = work();
    for (const { host, amount } of left) grant(amount, host, -1);
    return answer;
  }
}

const leftOf = ({ promised, used }: Own): Capacity => atLeastNothing(subtract(promised, used));
