import type { Request } from 'express';
import { SluiceError } from '../domain/errors';
import { digestOf, type Identity, type Role } from '../store/identities';
import type { Store } from '../store/store';

/** How long a token's identity is remembered; a revoked token works for no longer than this. */
const CACHE_MILLIS = 2_000;
const MOST_CACHED = 10_000;

/** Tells who sent a request. Bearer tokens only; what is not a known token is nobody. */
export class Authenticator {
  private readonly store: Store;
  private readonly known = new Map<string, { identity: Identity; until: number }>();

  constructor(store: Store) {
    this.store = store;
  }

  /** @throws SluiceError `unauthenticated` */
  async identify(req: Request): Promise<Identity> {
    const token = /^Bearer ([\w.~+/-]{1,512}=*)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (!token) throw new SluiceError('unauthenticated', 'The request carries no bearer token.');
    const digest = digestOf(token);
    const cached = this.known.get(digest);
    if (cached && cached.until > Date.now()) return cached.identity;
    const identity = (await this.store.identities.byToken(token)) ?? (await this.joining(token));
    if (!identity) throw new SluiceError('unauthenticated', 'The bearer token is not known.');
    if (this.known.size >= MOST_CACHED) this.known.clear();
    this.known.set(digest, { identity, until: Date.now() + CACHE_MILLIS });
    return identity;
  }

  /** A join token makes its bearer an agent that has no hosts yet: all it can do is join. */
  private async joining(token: string): Promise<Identity | undefined> {
    if (!(await this.store.identities.isJoinToken(token, Date.now()))) return undefined;
    return { id: digestOf(token), role: 'agent', name: 'joining', createdAt: Date.now() };
  }
}

/** @throws SluiceError `forbidden` */
export function authorise(identity: Identity, roles: readonly Role[]): void {
  if (!roles.includes(identity.role))
    throw new SluiceError(
      'forbidden',
      `This needs the role ${roles.join(' or ')}; the token has ${identity.role}.`,
    );
}
