/** What a VEE is, as far as a value may name it. */
export const SELF_FACTS = ['name', 'index', 'tenant', 'service', 'component', 'vee'] as const;
export type SelfFact = (typeof SELF_FACTS)[number];

export type Reference =
  | { readonly kind: 'fact'; readonly fact: SelfFact }
  | {
      readonly kind: 'address';
      /** Absent for the VEE's own. */
      readonly component?: string;
      /** Absent for the first network that it is on. */
      readonly network?: string;
      /** Of all members, rather than of the first one. */
      readonly all: boolean;
    };

/** Anything else in braces is left as it is: values were shell templates long before they could name a VEE. */
const REFERENCE = /(\$?)\$\{((?:self|component)\.[^{}]*)\}/g;

export interface FoundReference {
  /** As it is written, without the dollar and the braces. */
  readonly text: string;
  /** Absent when that means nothing. */
  readonly reference?: Reference;
}

/** All that a value names, once each. */
export function referencesIn(value: string): FoundReference[] {
  const texts = [...value.matchAll(REFERENCE)].flatMap(([, escaped, text = '']) => (escaped ? [] : [text]));
  return [...new Set(texts)].map((text) => {
    const reference = parse(text);
    return { text, ...(reference ? { reference } : {}) };
  });
}

/**
 * A value with what its references stand for; `$${…}` becomes `${…}`.
 * @param standsFor what one stands for; told nothing of those that mean nothing, which stay as they are
 */
export const replaceReferences = (value: string, standsFor: (reference: Reference) => string): string =>
  value.replace(REFERENCE, (whole, escaped: string, text: string) => {
    if (escaped) return whole.slice(1);
    const reference = parse(text);
    return reference ? standsFor(reference) : whole;
  });

function parse(text: string): Reference | undefined {
  const [of, ...path] = text.split('.');
  const component = of === 'component' ? path.shift() : undefined;
  if (of === 'component' && !component) return undefined;
  const [first = '', second, ...more] = path;
  if (more.length > 0) return undefined;
  if (of === 'self' && second === undefined) {
    const fact = SELF_FACTS.find((f) => f === first);
    if (fact) return { kind: 'fact', fact };
  }
  const what = second ?? first;
  if (what !== 'address' && what !== 'addresses') return undefined;
  if (second !== undefined && first === '') return undefined;
  return {
    kind: 'address',
    all: what === 'addresses',
    ...(component ? { component } : {}),
    ...(second === undefined ? {} : { network: first }),
  };
}
