/** What every element is: a Lit element in standard JavaScript, with the shared look. */
import { LitElement } from 'lit';
import { theme } from './theme.js';

export abstract class SaeElement extends LitElement {
  /** To be the first of an element's `styles`. */
  static base = theme;

  static override styles = [theme];
}
