/**
 * The panel of the position profile: a plain custom element. The dashboard sets
 * `pack` (the open pack) and `feature`; the rest is its own. What goes wrong is
 * raised as `sae-error`, and the dashboard shows it in the panel's place.
 */
import { positionBits } from './position-bits.js';

const PLUGIN = 'example/position-profile';
const TABLE = 'example.position-profile.profile';
const HEIGHT = 150;
const MARGIN = { left: 44, right: 8, top: 10, bottom: 34 };

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
  :host { display: block; color: inherit; font: inherit; }
  svg { display: block; inline-size: 100%; max-inline-size: 46rem; block-size: auto; direction: ltr; }
  text { fill: currentColor; font: 11px system-ui, sans-serif; opacity: 0.75; }
  .bar { fill: var(--sae-accent, light-dark(#2b628f, #8ab8e0)); }
  .mean { stroke: currentColor; stroke-dasharray: 3 3; opacity: 0.55; }
  p { margin: 0 0 0.5rem; unicode-bidi: plaintext; }
  @media (forced-colors: active) { .bar { fill: CanvasText; } text { opacity: 1; } }
`);

export class PositionProfile extends HTMLElement {
  #pack = null;
  #feature = null;
  /** Counts the drawings, so that a slow answer never overwrites a later one. */
  #drawing = 0;

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [STYLE];
  }

  get pack() {
    return this.#pack;
  }
  set pack(value) {
    this.#pack = value;
    void this.#draw();
  }

  get feature() {
    return this.#feature;
  }
  set feature(value) {
    this.#feature = value;
    void this.#draw();
  }

  async #draw() {
    const drawing = ++this.#drawing;
    const { pack, feature } = this;
    if (pack === null || feature === null) return this.shadowRoot.replaceChildren();
    try {
      const table = await pack.table(TABLE, { columns: ['firings'] });
      const { tokens_at: tokens } = pack.manifest.plugins.find(({ id }) => id === PLUGIN).summary;
      if (drawing === this.#drawing) this.shadowRoot.replaceChildren(...profile(table.columns.firings[feature], tokens, Math.max(260, Math.min(736, this.clientWidth || 640))));
    } catch (error) {
      if (drawing === this.#drawing) this.dispatchEvent(Object.assign(new Event('sae-error'), { error }));
    }
  }
}

/** The sentence and the chart. */
function profile(firings, tokens, width) {
  const fired = firings.reduce((sum, n) => sum + n, 0);
  const sentence = document.createElement('p');
  const bits = positionBits(firings, tokens);
  if (bits === null) {
    sentence.textContent = 'It never fires, so there is nothing to say about positions.';
    return [sentence];
  }
  sentence.textContent = `A firing tells ${bits.toFixed(2)} of ${Math.log2(firings.length).toFixed(0)} bits about the position.`;

  const rates = Array.from(firings, (n, i) => (tokens[i] > 0 ? n / tokens[i] : 0));
  const mean = fired / tokens.reduce((sum, n) => sum + n, 0);
  const top = Math.max(...rates);
  const plot = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const x = (position) => MARGIN.left + (position / rates.length) * plot.width;
  const y = (rate) => MARGIN.top + plot.height * (1 - rate / top);

  const peak = rates.indexOf(top);
  const svg = element('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': `Density by position of the context: ${percent(mean)} over all, highest at position ${peak} with ${percent(top)}.` });
  rates.forEach((rate, position) => {
    const bar = element('rect', { class: 'bar', x: x(position), y: y(rate), width: Math.max(0.5, plot.width / rates.length - 0.5), height: MARGIN.top + plot.height - y(rate) });
    const title = element('title', {});
    title.textContent = `position ${position}: ${firings[position]} of ${tokens[position]} tokens, ${percent(rate)}`;
    bar.append(title);
    svg.append(bar);
  });
  svg.append(element('line', { class: 'mean', x1: x(0), x2: x(rates.length), y1: y(mean), y2: y(mean) }));
  svg.append(label(MARGIN.left - 6, y(top) + 8, 'end', percent(top)), label(MARGIN.left - 6, y(0), 'end', '0'));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((rates.length * 40) / plot.width)));
  for (let position = 0; position < rates.length; position += step) svg.append(label(x(position + 0.5), HEIGHT - MARGIN.bottom + 14, 'middle', String(position)));
  svg.append(label(x(rates.length / 2), HEIGHT - 4, 'middle', width < 420 ? 'density at each position of the context' : 'density at each position of the context; dashed: over all positions'));
  return [sentence, svg];
}

function element(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function label(x, y, anchor, text) {
  const made = element('text', { x, y, 'text-anchor': anchor });
  made.textContent = text;
  return made;
}

function percent(value) {
  return `${Number((value * 100).toPrecision(2))} %`;
}

if (customElements.get('example-position-profile') === undefined) customElements.define('example-position-profile', PositionProfile);
