import { type Seen, whyFixed } from '../../store/balance-question';
import { hostNamed, membersOf, serviceId, sketch } from '../support/recompose';

describe('a VEE that a rebalance leaves where it is', () => {
  const manifest = sketch([{ name: 'db', licences: ['solver'] }, { name: 'app' }]);
  const [db, app] = membersOf(manifest, 'db/0@h1', 'app/0@h1');
  const seen = (...perHostLicences: string[]): Seen => ({
    hosts: new Map([['h1', hostNamed('h1')]]) as never,
    services: new Map([[serviceId, { phase: 'operating' }]]) as never,
    ...{ busy: new Map(), tried: new Set(), moved: new Set(), classes: new Map(), limited: new Set() },
    ...{ ranked: new Set(), apart: new Map(), closed: new Set() },
    perHostLicences: new Set(perHostLicences),
  });

  it('is one for which its host takes a licence: both would while it moves', () => {
    expect(db && whyFixed(db, seen('solver'))).toBe('its host takes a licence for it');
    expect(db && whyFixed(db, seen('other'))).toBeUndefined();
    expect(app && whyFixed(app, seen('solver'))).toBeUndefined();
  });
});
