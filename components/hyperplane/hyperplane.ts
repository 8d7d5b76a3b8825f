/**
 * `<sae-hyperplane src="dying/">`: the data seen along the direction of least firing, and the
 * boundary of one feature as it moves through them in training: its firing tokens lit, and beside
 * it how much of the data lies beyond an offset along that direction.
 *
 * Kept true: a token is lit where w . x + b > 0 in all dimensions; the line is where the boundary cuts
 * the plane that is drawn, so that tokens may be lit on either side of it, and the element says so.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { DyingPlane, DyingRecord } from '../../engine/dying/record.js';
import { SaeSelectEvent } from '../internal/events.js';
import { DyingElement } from '../internal/dying-element.js';
import { formatCount, formatDensity, formatNumber, trimmed } from '../internal/format.js';
import { boundaryOf, preActivations, project, type Boundary, type Projected } from './geometry.js';
import { styles } from './hyperplane.styles.js';
import { scatterOverlay, scatterPanel, survivalOverlay, survivalPanel, type Panel } from './scene.js';

/** Boundaries of earlier frames that are drawn, and tokens that are named. */
const TRAIL = 6;
const TOKENS = 24;

/** One feature at one frame. */
interface Shown {
  readonly plane: DyingPlane;
  readonly frame: number;
  /** Index into plane.features. */
  readonly at: number;
  readonly boundary: Boundary;
  readonly trail: readonly Boundary[];
  readonly z: Float64Array;
  /** Rows that fire, the most active first. */
  readonly lit: readonly number[];
  readonly density: number;
}

/**
 * @attr src - folder of a pack that `saekit dying` wrote
 * @attr feature - one of the features whose weights the record keeps; default the median of the rare ones
 * @attr step - step of training; default the last
 * @attr view - `chart` (default) or `table`
 * @fires sae-scrub - the step was moved: `step`
 * @fires sae-select - another feature was chosen: `feature`
 * @cssprop --sae-hyperplane-height - height of the charts, 22rem
 * @csspart chart, readout, tokens
 * @slot - what readers without scripts see
 */
export class SaeHyperplane extends DyingElement {
  static override styles = [DyingElement.base, styles];
  static override properties = {
    ...DyingElement.properties,
    feature: { type: Number },
    view: {},
    sizes: { state: true },
  };

  declare feature: number | null;
  declare view: 'chart' | 'table';
  declare protected sizes: { readonly scatter: readonly [number, number]; readonly survival: readonly [number, number] };

  #projected: { readonly plane: DyingPlane; readonly data: Projected } | null = null;
  #shown: Shown | null = null;
  #resize: ResizeObserver | null = null;
  #painted: readonly unknown[] = [];

  constructor() {
    super();
    this.feature = null;
    this.view = 'chart';
    this.sizes = { scatter: [520, 352], survival: [300, 352] };
  }

  protected override get subject(): string {
    return 'the hyperplane';
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#resize = null;
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { content } = this;
    const plane = content?.plane ?? null;
    if (plane === null || plane.features.length === 0) {
      this.#shown = this.#projected = null;
      return;
    }
    // A live record's plane is a new object at each frame, over the same rows.
    const before = this.#projected?.plane;
    if (before === undefined || before.x !== plane.x || before.direction !== plane.direction || before.complement !== plane.complement) this.#projected = { plane, data: project(plane) };
    const frame = Math.min(this.frameIndex, plane.encoder.length - 1);
    const at = this.#chosen(content as DyingRecord, plane);
    if (this.#shown?.plane === plane && this.#shown.frame === frame && this.#shown.at === at) return;
    const z = preActivations(plane, frame, at);
    const { counts, rows } = (content as DyingRecord).frames[frame]!;
    this.#shown = {
      plane,
      frame,
      at,
      z,
      boundary: boundaryOf(plane, frame, at),
      trail: Array.from({ length: Math.min(TRAIL, frame) }, (_, back) => boundaryOf(plane, frame - Math.min(TRAIL, frame) + back, at)),
      lit: Array.from(z.keys()).filter((row) => z[row]! > 0).sort((a, b) => z[b]! - z[a]!),
      density: counts[plane.features[at]!]! / rows,
    };
  }

  /** The feature that was asked for where its weights are kept; else one that is rare at the end. */
  #chosen({ frames }: DyingRecord, { features }: DyingPlane): number {
    for (const wanted of [this.feature, ...(this.features ?? [])]) {
      const at = wanted === null ? -1 : features.indexOf(wanted);
      if (at >= 0) return at;
    }
    const { counts, rows } = frames.at(-1)!;
    const rare = Array.from(features.keys()).filter((at) => counts[features[at]!]! > 0 && counts[features[at]!]! < 1e-4 * rows).sort((a, b) => counts[features[a]!]! - counts[features[b]!]!);
    return rare[rare.length >> 1] ?? 0;
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    const panels = this.renderRoot.querySelectorAll('.panel');
    if (panels.length === 0) {
      this.#resize?.disconnect();
      this.#resize = null;
      return;
    }
    if (this.#resize === null) {
      this.#resize = new ResizeObserver(() => this.#measure());
      for (const panel of panels) this.#resize.observe(panel);
    }
    this.#paint();
  }

  #measure(): void {
    const [scatter, survival] = [...this.renderRoot.querySelectorAll('.panel')].map((panel) => [Math.floor(panel.clientWidth), Math.floor(panel.clientHeight)] as const);
    if (scatter === undefined || survival === undefined || scatter[0] === 0) return;
    const { sizes } = this;
    if (scatter[0] !== sizes.scatter[0] || scatter[1] !== sizes.scatter[1] || survival[0] !== sizes.survival[0] || survival[1] !== sizes.survival[1]) this.sizes = { scatter, survival };
  }

  #paint(): void {
    const [shown, projected] = [this.#shown, this.#projected?.data];
    const canvas = this.renderRoot.querySelector('canvas');
    if (shown === null || projected === undefined || canvas === null) return;
    const color = (name: string): string => getComputedStyle(this.renderRoot.querySelector(`.probes .${name}`) as Element).color;
    const [quiet, lit, edge] = [color('quiet'), color('lit'), color('edge')];
    const [width, height] = this.sizes.scatter;
    const ratio = Math.min(3, devicePixelRatio || 1);
    const state = [shown, canvas, width, height, ratio, quiet, lit, edge];
    if (state.length === this.#painted.length && state.every((part, i) => Object.is(part, this.#painted[i]))) return;
    this.#painted = state;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.scale(ratio, ratio);
    paintPoints(context, scatterPanel(projected, width, height), projected, shown.z, { quiet, lit, edge });
  }

  protected override renderContent({ frames, features }: DyingRecord): TemplateResult {
    const [shown, projected] = [this.#shown, this.#projected?.data];
    if (shown === null || projected === undefined) {
      return html`<div class="state" part="empty" lang="en" dir="ltr"><p>There is no plane to draw: this record holds no sample of the data and no weights. <code>saekit dying</code> keeps both.</p></div>`;
    }
    const { plane, frame, at, lit } = shown;
    const last = frames.at(-1)!;
    const step = frames[frame]!.step;
    return html`
      <div class="frame" lang="en" dir="ltr">
        <div class="controls">
          <label>Feature
            <select .value=${String(plane.features[at])} @change=${(event: Event) => this.#choose(Number((event.currentTarget as HTMLSelectElement).value))}>
              ${Array.from(plane.features, (feature, i) => html`<option value=${feature} ?selected=${i === at}>${feature}: ${last.counts[feature]! > 0 ? `density ${formatDensity(last.counts[feature]! / last.rows)}` : 'no firing'}</option>`)}
            </select>
          </label>
          <label class="slider"><span>Step</span><input type="range" min="0" max=${frames.length - 1} step="1" .value=${String(frame)} ?disabled=${frames.length < 2} aria-valuetext=${`step ${formatCount(step)}`} @input=${(event: Event) => this.scrub(Number((event.currentTarget as HTMLInputElement).value))}><output>${formatCount(step)}</output></label>
          <button type="button" aria-pressed=${String(this.view === 'table')} @click=${() => (this.view = this.view === 'table' ? 'chart' : 'table')}>Table</button>
        </div>
        ${this.view === 'table' ? this.#table(frames, shown) : this.#charts(shown, projected)}
        <p class="readout" part="readout" role="status">${sentence(shown, step, features)}</p>
        ${plane.text === null || lit.length === 0 ? nothing : html`<ul class="tokens" part="tokens" aria-label="Lit tokens, the most active first">${lit.slice(0, TOKENS).map((row) => html`<li>${plane.text?.[row]}</li>`)}${lit.length > TOKENS ? html`<li>and ${formatCount(lit.length - TOKENS)} more</li>` : nothing}</ul>`}
        <span class="probes" aria-hidden="true"><span class="quiet"></span><span class="lit"></span><span class="edge"></span></span>
      </div>
    `;
  }

  #charts(shown: Shown, projected: Projected): TemplateResult {
    const { plane, boundary, trail, density, lit } = shown;
    const [[sw, sh], [vw, vh]] = [this.sizes.scatter, this.sizes.survival];
    return html`
      <div class="panels" part="chart">
        <div class="panel">
          <canvas aria-hidden="true"></canvas>
          <svg viewBox=${`0 0 ${sw} ${sh}`} role="img" aria-label=${`${formatCount(plane.m)} tokens along the direction of least firing; ${formatCount(lit.length)} of them make feature ${plane.features[shown.at] ?? ''} fire`}>${scatterOverlay(scatterPanel(projected, sw, sh), projected, boundary, trail)}</svg>
        </div>
        <div class="panel">
          <svg viewBox=${`0 0 ${vw} ${vh}`} role="img" aria-label=${`Share of the data beyond an offset along that direction; the feature's own offset is ${trimmed(formatNumber(boundary.offset))}`}>${survivalOverlay(survivalPanel(plane, boundary, density, vw, vh), plane, boundary, density)}</svg>
        </div>
      </div>
    `;
  }

  #table(frames: DyingRecord['frames'], { plane, at, frame }: Shown): TemplateResult {
    return html`
      <div class="scroll" tabindex="0" role="region" aria-label="The feature by step">
        <table>
          <thead><tr><th scope="col">step</th><th scope="col">cos(w, w*)</th><th scope="col">‖w‖</th><th scope="col">−b/‖w‖</th><th scope="col">density</th><th scope="col">lit of ${formatCount(plane.m)}</th></tr></thead>
          <tbody>
            ${plane.encoder.map((_, i) => {
              const { cosine, norm, offset } = boundaryOf(plane, i, at);
              const { counts, rows, step } = frames[i]!;
              const count = counts[plane.features[at]!]!;
              return html`<tr aria-current=${i === frame ? 'step' : nothing}><td>${formatCount(step)}</td><td>${formatNumber(cosine)}</td><td>${formatNumber(norm)}</td><td>${formatNumber(offset)}</td><td>${count > 0 ? formatDensity(count / rows) : `below ${formatDensity(3 / rows)}`}</td><td>${formatCount(preActivations(plane, i, at).filter((z) => z > 0).length)}</td></tr>`;
            })}
          </tbody>
        </table>
      </div>
    `;
  }

  #choose(feature: number): void {
    if (this.dispatchEvent(new SaeSelectEvent({ feature, source: 'hyperplane', pack: this.openPack }))) this.feature = feature;
  }
}

/** Lit points last, larger, and with an edge: not told by colour alone. */
export function paintPoints(context: CanvasRenderingContext2D, { x, y }: Panel, { across, up }: Projected, z: Float64Array, { quiet, lit, edge }: { readonly quiet: string; readonly lit: string; readonly edge: string }): void {
  context.fillStyle = quiet;
  context.globalAlpha = across.length > 1500 ? 0.35 : 0.5;
  for (let row = 0; row < across.length; row++) {
    if (z[row]! > 0) continue;
    context.beginPath();
    context.arc(x.map(across[row]!), y.map(up[row]!), 1.5, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
  context.fillStyle = lit;
  context.strokeStyle = edge;
  context.lineWidth = 1;
  for (let row = 0; row < across.length; row++) {
    if (!(z[row]! > 0)) continue;
    context.beginPath();
    context.arc(x.map(across[row]!), y.map(up[row]!), 3, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

function sentence({ plane, at, boundary, lit, density }: Shown, step: number, features: number): string {
  const feature = plane.features[at] ?? 0;
  return `Step ${formatCount(step)}, feature ${feature} of ${formatCount(features)}: ${lit.length === 0 ? 'no token' : `${formatCount(lit.length)} of ${formatCount(plane.m)} tokens`} lit${plane.chosen > 0 ? ` (${formatCount(plane.chosen)} are drawn because rare features fire on them)` : ''}${density > 0 ? `, density ${formatDensity(density)} over all rows` : ', no firing on any row'}. cos(w, w*) is ${formatNumber(boundary.cosine)}. The line is the boundary where the other directions are at their mean: tokens are lit by all of them.`;
}
