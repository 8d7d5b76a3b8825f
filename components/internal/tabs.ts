/** A row of tabs: one tab stop, arrow keys between them. Of one choice there is nothing to choose, and nothing is drawn. */
import { html, nothing, type TemplateResult } from 'lit';
import { moveInTabs } from './a11y.js';

export interface TabsOptions {
  readonly label: string;
  readonly names: readonly string[];
  readonly chosen: number;
  /** Id of the panel, in the same shadow root. */
  readonly panel: string;
  readonly choose: (index: number) => void;
}

export function tabsTemplate({ label, names, chosen, panel, choose }: TabsOptions): TemplateResult | typeof nothing {
  if (names.length < 2) return nothing;
  const onKeydown = (event: KeyboardEvent): void => {
    const row = event.currentTarget as HTMLElement;
    const next = moveInTabs(event.key, chosen, names.length, getComputedStyle(row).direction === 'rtl');
    if (next === null) return;
    event.preventDefault();
    choose(next);
    (row.children[next] as HTMLElement).focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} @keydown=${onKeydown}>
      ${names.map((name, i) => html`<button type="button" role="tab" aria-selected=${String(i === chosen)} aria-controls=${panel} tabindex=${i === chosen ? 0 : -1} @click=${() => choose(i)}>${name}</button>`)}
    </div>
  `;
}
