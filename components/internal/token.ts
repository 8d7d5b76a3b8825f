/** Tokens in templates. */
import { html, type TemplateResult } from 'lit';
import { visible } from './text.js';

/**
 * A token's text with what cannot be seen made visible; to be put into a `<bdi>`.
 * The base style sheet has the looks of `.mark` and `.box`.
 */
export const tokenTemplate = (text: string, spaces: 'mark' | 'keep' = 'mark'): (string | TemplateResult)[] =>
  visible(text, spaces).map((piece) => (piece.kind === 'text' ? piece.text : html`<span class=${piece.kind}>${piece.text}</span>`));
