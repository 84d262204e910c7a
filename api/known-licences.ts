import { SluiceError } from '../domain/errors';
import type { Manifest } from '../domain/manifest/schema';
import type { Store } from '../store/store';

/**
 * What a manifest says is taken has to be there, be it in use up to the last: a name that is written wrongly would never find a place.
 * @throws SluiceError `licence-unknown`
 */
export async function requireLicences(
  { licences }: Pick<Store, 'licences'>,
  manifest: Manifest,
): Promise<void> {
  const wanted = manifest.components.flatMap(({ licences: names = [] }, c) =>
    names.map((name, n) => ({ name, pointer: `/components/${c}/licences/${n}` })),
  );
  if (wanted.length === 0) return;
  const known = (await licences.pools()).map((p) => p.name);
  const errors = wanted
    .filter(({ name }) => !known.includes(name))
    .map(({ name, pointer }) => ({
      pointer,
      message: `the site has no licence "${name}"`,
      hint: known.length > 0 ? `It has ${known.join(', ')}.` : 'It has none at all.',
    }));
  const [first] = errors;
  if (first)
    throw new SluiceError('licence-unknown', `${first.pointer}: ${first.message}. ${first.hint}`, {
      pointer: first.pointer,
      errors,
    });
}
