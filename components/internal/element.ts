/** The base of every element: the shared look, and no decorators. */
import { LitElement, type CSSResultGroup } from 'lit';
import { theme } from './theme.js';

export class SaeElement extends LitElement {
  /** First in an element's `styles`. */
  static base: CSSResultGroup = theme;
}

/** Defines an element unless the page has one of that name: two bundles on a page must not break each other, and the first wins. */
export function defineElement(tag: string, element: CustomElementConstructor): void {
  if (customElements.get(tag) === undefined) customElements.define(tag, element);
}
