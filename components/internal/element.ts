/** What every element is: a Lit element in standard JavaScript, with the shared look. */
import { LitElement, type CSSResultGroup } from 'lit';
import { theme } from './theme.js';

export abstract class SaeElement extends LitElement {
  /** To be the first of an element's `styles`. */
  static base: CSSResultGroup = theme;

  static override styles: CSSResultGroup = theme;
}

/**
 * Defines an element, unless its tag is taken: two bundles on one page may both
 * bring it, and the first one stays.
 * @returns the class that the tag stands for from now on
 */
export function defineElement(tag: string, element: CustomElementConstructor): CustomElementConstructor {
  const first = customElements.get(tag);
  if (first === undefined) customElements.define(tag, element);
  else if (first !== element) console.warn(`saekit: <${tag}> is defined already; the first definition stays.`);
  return first ?? element;
}
