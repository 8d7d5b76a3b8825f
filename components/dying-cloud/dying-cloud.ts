/**
 * `<sae-dying-cloud>`: every feature of an SAE at a step of its training, in three dimensions, by
 * default bias, density and D/E: what dies leaves the living, downwards and towards D/E = 0.
 *
 * Marks are drawn by WebGPU, or on a 2-D canvas where that is not to be had; text, axes, whiskers
 * and brush are SVG over it. The same features can be walked by keyboard and read in a table.
 *
 * Kept true: what a brush selects is exactly what is shown inside its outline; features below the
 * resolution floor are never drawn below it; nothing is drawn off screen, or when nothing changed.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { guard } from 'lit/directives/guard.js';
import type { FeatureClass } from '../../engine/pack/schema.js';
import type { DyingFrame, DyingRecord } from '../../engine/dying/record.js';
import { DyingElement } from '../internal/dying-element.js';
import { SaeSelectEvent } from '../internal/events.js';
import { formatCount } from '../internal/format.js';
import { layoutAxes } from './axes.js';
import { arrowOf, cameraByKey, FIRST_CAMERA, middleDepth, orbit, project, projectAll, sizeAt, viewProjection, zoom, type Camera, type Seen } from './camera.js';
import { CanvasRenderer } from './canvas-renderer.js';
import { axisSelect, legend, stepSlider } from './controls.js';
import { Gestures } from './gestures.js';
import { readColors, type CloudColors } from './marks.js';
import { backTemplate, frontTemplate, outlinePath, whiskerPaths, type FrontState } from './overlay.js';
import { marginalsTemplate, probesTemplate, tooltipTemplate } from './parts.js';
import { pickAt, withinPolygon, withinRectangle, type Point } from './pick.js';
import { cloudAxes, cloudPoints, markRadius, type CloudAxes, type CloudPoints } from './points.js';
import { extentOf, quantityOf, type QuantityName } from './quantities.js';
import type { Scene } from './scene.js';
import { Stage, type RendererChoice } from './stage.js';
import { styles } from './dying-cloud.styles.js';
import { tableStyles } from './table.styles.js';
import { cloudColumns } from './table.js';
import { WindowTable } from './window-table.js';
import { describeFeature } from './words.js';

/** Whiskers drawn at most; pixels by which Shift and an arrow move the brush's corner. */
const [WHISKERS, KEY_BRUSH] = [3000, 16] as const;

/**
 * @attr x, y, z - what the axes show: `density`, `bias`, `effective-bias`, `bias-norm`, `effective-bias-norm`, `de`, `de-cosine`, `direction-cosine`; by default bias, density, de
 * @attr feature - the feature that is open
 * @attr view - `plot` (default) or `table`
 * @attr renderer - `auto` (default: WebGPU where there is a GPU), `webgpu` (any adapter), `canvas`
 * @attr whiskers - intervals of `chosen` features (default), of `all`, of `none`
 * @attr brush - `rectangle` (default) or `lasso`
 * @attr compact - without controls and marginals
 * @fires sae-select - a feature was opened, or the brush holds others; `source` is `cloud`
 * @fires sae-scrub - the slider was moved
 * @cssprop --sae-cloud-height - height of the plot, 27rem
 * @csspart plot, legend, marginals, readout, table
 */
export class SaeDyingCloud extends DyingElement {
  static override styles = [DyingElement.base, styles, tableStyles];
  static override properties = {
    ...DyingElement.properties,
    x: {},
    y: {},
    z: {},
    feature: { type: Number },
    view: { reflect: true },
    renderer: {},
    whiskers: {},
    brush: {},
    compact: { type: Boolean },
    camera: { state: true },
    off: { state: true },
    focused: { state: true },
    hovered: { state: true },
    outline: { state: true },
    brushing: { state: true },
    size: { state: true },
    drawnBy: { state: true },
  };

  declare x: QuantityName;
  declare y: QuantityName;
  declare z: QuantityName;
  declare feature: number | null;
  declare view: 'plot' | 'table';
  declare renderer: RendererChoice;
  declare whiskers: 'chosen' | 'all' | 'none';
  declare brush: 'rectangle' | 'lasso';
  declare compact: boolean;

  declare protected camera: Camera;
  /** Classes that are switched off. */
  declare protected off: ReadonlySet<FeatureClass>;
  /** The feature that the keyboard is on. */
  declare protected focused: number | null;
  declare protected hovered: number | null;
  /** The brush that is drawn now: two corners of a rectangle, or a lasso. */
  declare protected outline: readonly Point[] | null;
  declare protected brushing: boolean;
  declare protected size: { readonly width: number; readonly height: number };
  /** Who draws now; null while nobody does. Read only. */
  declare drawnBy: 'webgpu' | 'canvas' | null;

  #axes: CloudAxes | null = null;
  #points: CloudPoints | null = null;
  #chosen: Uint8Array | null = null;
  #rows = new Uint32Array(0);
  #order: { readonly points: CloudPoints; readonly ids: Uint32Array } | null = null;
  #seen: { readonly points: CloudPoints; readonly matrix: Float32Array; readonly at: Float32Array } | null = null;
  #matrix: Float32Array = new Float32Array(16);
  #colors: CloudColors | null = null;
  #keyBrush = false;
  #hoverAt: Point | null = null;
  #hoverFrame = 0;
  #resize: ResizeObserver | null = null;
  #observed: Element | null = null;
  readonly #media = [[matchMedia('print'), () => this.#onPrint()], [matchMedia('(forced-colors: active)'), () => this.#onColors()]] as const;
  readonly #stage = new Stage(() => this.#scene(), (kind) => (this.drawnBy = kind));
  readonly #table = new WindowTable(this, 'density');
  readonly #gestures = new Gestures({
    orbit: (yaw, pitch) => this.#look(orbit(this.camera, yaw, pitch)),
    zoom: (factor) => this.#look(zoom(this.camera, factor)),
    hover: (at) => this.#hover(at),
    click: (at) => this.#click(at),
    outline: (points, done) => this.#outline(points, done),
    isBrushing: () => this.brushing,
  });

  constructor() {
    super();
    this.x = 'bias';
    this.y = 'density';
    this.z = 'de';
    this.feature = null;
    this.view = 'plot';
    this.renderer = 'auto';
    this.whiskers = 'chosen';
    this.brush = 'rectangle';
    this.compact = false;
    this.camera = FIRST_CAMERA;
    this.off = new Set();
    this.focused = this.hovered = this.outline = this.drawnBy = null;
    this.brushing = false;
    this.size = { width: 640, height: 430 };
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#media.forEach(([media, told]) => media.addEventListener('change', told));
    addEventListener('beforeprint', this.#onPrint);
    if (this.hasUpdated) this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stage.dispose();
    this.#resize?.disconnect();
    this.#resize = this.#observed = null;
    this.#media.forEach(([media, told]) => media.removeEventListener('change', told));
    removeEventListener('beforeprint', this.#onPrint);
    cancelAnimationFrame(this.#hoverFrame);
    this.#hoverFrame = 0;
    // A million features are not kept for an element that nobody sees.
    this.#seen = this.#order = null;
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { content, frame, camera, size } = this;
    if (changed.has('camera') || changed.has('size')) this.#matrix = viewProjection(camera, size.width, size.height);
    if (content === null || frame === null) {
      this.#points = this.#axes = null;
      return;
    }
    if (['content', 'x', 'y', 'z'].some((name) => changed.has(name)) || this.#axes === null) {
      this.#axes = cloudAxes(content.frames, [this.x, this.y, this.z]);
      this.#points = null;
    }
    if (this.#points === null || ['step', 'off'].some((name) => changed.has(name))) {
      const points = (this.#points = cloudPoints(frame, this.#axes, this.off));
      this.#rows = Uint32Array.from({ length: points.count }, (_, i) => i).filter((i) => points.shown[i] === 1);
      for (const name of ['focused', 'hovered'] as const) if (this[name] !== null && points.shown[this[name]] !== 1) this[name] = null;
    }
    if (changed.has('features') || changed.has('content')) {
      // One feature is marked by a ring: dimming all the others would hide where it lies among them.
      this.#chosen = this.features === null || this.features.length === 1 ? null : new Uint8Array(frame.counts.length);
      for (const i of this.features ?? []) if (this.#chosen !== null && i < this.#chosen.length) this.#chosen[i] = 1;
    }
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed);
    // A detached element may be updated, too; it has no device.
    const place = this.isConnected ? this.renderRoot.querySelector<HTMLElement>('.stage') : null;
    this.#stage.mount(place, ['canvas', 'webgpu'].includes(this.renderer) ? this.renderer : 'auto');
    if (place !== this.#observed) {
      this.#resize ??= new ResizeObserver(([entry]) => {
        const { width = 0, height = 0 } = entry?.contentRect ?? {};
        // Whole pixels, so that a scroll bar's coming and going settles.
        if (width > 0) this.size = { width: Math.floor(width), height: Math.floor(height) };
      });
      this.#resize.disconnect();
      if (place !== null) this.#resize.observe(place);
      this.#observed = place;
      this.#colors = null; // While there was no plot, nobody told of another scheme.
    }
    if (['content', 'step', 'x', 'y', 'z', 'off', 'features', 'camera', 'size', 'phase'].some((name) => changed.has(name))) this.#stage.request();
  }

  /** The plot as it stands, on a canvas of its own: to be saved as a picture. Axes and text are not in it. */
  snapshot(): HTMLCanvasElement | null {
    const from = this.#stage.canvas;
    if (from === null || !this.#stage.drawNow()) return null;
    const canvas = Object.assign(document.createElement('canvas'), { width: from.width, height: from.height });
    // In the task of its drawing a WebGPU canvas still has its picture.
    canvas.getContext('2d')?.drawImage(from, 0, 0);
    return canvas;
  }

  /** Where a feature's mark is, in CSS pixels from the plot's corner; null where it is not shown. */
  positionOf(feature: number): Seen | null {
    const [points, { width, height }] = [this.#points, this.size];
    if (points === null || points.shown[feature] !== 1) return null;
    const { [3 * feature]: x, [3 * feature + 1]: y, [3 * feature + 2]: z } = points.position;
    const seen = project(this.#matrix, x!, y!, z!, width, height);
    return seen.w > 0.05 ? seen : null;
  }

  #scene(): Scene | null {
    const { width, height } = this.size;
    if (this.#points === null) return null;
    this.#colors ??= readColors(this.renderRoot.querySelector('.probes.on-screen')!);
    return { points: this.#points, chosen: this.#chosen, matrix: this.#matrix, width, height, scale: devicePixelRatio || 1, radius: markRadius(this.#rows.length), colors: this.#colors };
  }

  get #projected(): Float32Array | null {
    const points = this.#points;
    if (points === null) return null;
    if (this.#seen?.points !== points || this.#seen.matrix !== this.#matrix) this.#seen = { points, matrix: this.#matrix, at: projectAll(this.#matrix, points.position, points.shown, this.size.width, this.size.height) };
    return this.#seen.at;
  }

  #onColors = (): void => {
    this.#colors = null;
    this.#stage.request();
  };

  /** A canvas is printed as it stands, in the colours of paper; WebGPU's has nothing to print by then. */
  #onPrint = (): void => {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>('canvas.paper');
    const scene = this.#scene();
    if (canvas === null || scene === null) return;
    new CanvasRenderer(canvas).draw({ ...scene, scale: 2, colors: readColors(this.renderRoot.querySelector('.probes.on-paper')!) });
  };

  #look(camera: Camera): void {
    this.camera = camera;
    this.outline = null;
    this.#keyBrush = false;
  }

  #hover(at: Point | null): void {
    this.#hoverAt = at;
    if (at === null) this.hovered = null;
    // Many moves, one look a frame.
    else if (this.#hoverFrame === 0) {
      this.#hoverFrame = requestAnimationFrame(() => {
        this.#hoverFrame = 0;
        const seen = this.#projected;
        this.hovered = this.#hoverAt === null || seen === null ? null : pickAt(seen, this.#hoverAt.x, this.#hoverAt.y, 12);
      });
    }
  }

  #click(at: Point): void {
    const seen = this.#projected;
    const found = seen && pickAt(seen, at.x, at.y, 12);
    if (found !== null) this.#open(found);
  }

  #open(feature: number): void {
    this.focused = feature;
    if (this.dispatchEvent(new SaeSelectEvent({ feature, source: 'cloud', pack: this.openPack }))) this.feature = feature;
  }

  #outline(points: readonly Point[], done: boolean): void {
    this.outline = this.brush === 'lasso' ? [...points] : [points[0]!, points.at(-1)!];
    this.#keyBrush = false;
    if (done) this.#choose();
  }

  /** Chooses what is inside the outline. */
  #choose(): void {
    const { outline } = this;
    const seen = this.#projected;
    if (outline === null || seen === null) return;
    this.#select(outline.length === 2 ? withinRectangle(seen, outline[0]!, outline[1]!) : withinPolygon(seen, outline));
  }

  #select(features: readonly number[] | null): void {
    if (this.dispatchEvent(new SaeSelectEvent({ features, source: 'cloud', pack: this.openPack }))) this.features = features;
  }

  #clear(): void {
    this.outline = null;
    this.#keyBrush = false;
    this.#select(null);
  }

  /** Features that are shown, from the rarest on. */
  get #walk(): Uint32Array {
    const [points, frame] = [this.#points, this.frame];
    if (points === null || frame === null) return new Uint32Array(0);
    if (this.#order?.points !== points) this.#order = { points, ids: this.#rows.slice().sort((a, b) => frame.counts[a]! - frame.counts[b]! || a - b) };
    return this.#order.ids;
  }

  #step(by: number, from: 'here' | 'start' | 'end' = 'here'): void {
    const ids = this.#walk;
    if (ids.length === 0) return;
    const at = this.focused === null ? (by > 0 ? -1 : ids.length) : ids.indexOf(this.focused);
    this.focused = ids[from === 'start' ? 0 : from === 'end' ? ids.length - 1 : Math.max(0, Math.min(ids.length - 1, at + by))]!;
  }

  #onKeydown(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    const { key, shiftKey } = event;
    const arrow = arrowOf(key);
    const camera = cameraByKey(this.camera, key);
    if (arrow !== null && shiftKey) this.#stretch(arrow.x * KEY_BRUSH, arrow.y * KEY_BRUSH);
    else if (camera !== null) this.#look(camera);
    else if (key === 'n' || key === 'PageDown') this.#step(key === 'n' ? 1 : 20);
    else if (key === 'p' || key === 'PageUp') this.#step(key === 'p' ? -1 : -20);
    else if (key === 'Home' || key === 'End') this.#step(0, key === 'Home' ? 'start' : 'end');
    else if ((key === 'Enter' || key === ' ') && this.focused !== null) this.#open(this.focused);
    else if (key === 'Escape' && (this.features !== null || this.outline !== null)) this.#clear();
    else return;
    event.preventDefault();
  }

  /** The brush by keyboard: a rectangle from the focused feature, whose free corner moves. */
  #stretch(dx: number, dy: number): void {
    const { width, height } = this.size;
    const anchor = (this.#keyBrush ? this.outline?.[0] : null) ?? (this.focused === null ? null : this.positionOf(this.focused)) ?? { x: width / 2, y: height / 2 };
    const corner = (this.#keyBrush ? this.outline?.[1] : null) ?? anchor;
    this.#keyBrush = true;
    this.outline = [anchor, { x: Math.max(0, Math.min(width, corner.x + dx)), y: Math.max(0, Math.min(height, corner.y + dy)) }];
    this.#choose();
  }

  protected override renderContent(record: DyingRecord): TemplateResult {
    const [points, axes, frame] = [this.#points, this.#axes, this.frame];
    if (points === null || axes === null || frame === null) return html`<p class="empty" part="empty">This record has no frame.</p>`;
    return html`
      <div class="cloud" lang="en" dir="ltr">
        ${this.compact ? nothing : this.#controls(record, frame)}
        ${legend(points, this.off, (name) => this.#toggle(name))}
        ${this.view === 'table' ? this.#tableView(frame, points, axes) : this.#plot(record, frame, points, axes)}
        <p class="readout" part="readout" role="status">${this.#readout(record, frame, points, axes)}</p>
      </div>
    `;
  }

  #controls(record: DyingRecord, frame: DyingFrame): TemplateResult {
    const absent = (name: QuantityName): boolean => name === 'direction-cosine' && !Number.isFinite(extentOf(frame, quantityOf(name, name))[0]);
    const table = this.view === 'table';
    return html`
      <div class="controls">
        <span class="axes">${(['x', 'y', 'z'] as const).map((axis) => axisSelect(axis, this.#axes![['x', 'y', 'z'].indexOf(axis)]!.quantity.name, absent, (name) => (this[axis] = name)))}</span>
        ${stepSlider(record.frames, frame, (index) => this.scrub(index))}
        <span class="buttons">
          ${table ? nothing : html`<button type="button" aria-pressed=${String(this.brushing)} title="Outline features by dragging; Shift and drag does so at any time" @click=${() => (this.brushing = !this.brushing)}>Brush</button>
          <button type="button" aria-pressed=${String(this.whiskers === 'all')} title="95 % intervals of all densities" @click=${() => (this.whiskers = this.whiskers === 'all' ? 'chosen' : 'all')}>Whiskers</button>
          <button type="button" @click=${() => this.#look(FIRST_CAMERA)}>Reset view</button>`}
          <button type="button" aria-pressed=${String(table)} @click=${() => (this.view = table ? 'plot' : 'table')}>Table</button>
        </span>
      </div>
    `;
  }

  #toggle(name: FeatureClass): void {
    const next = new Set(this.off);
    if (!next.delete(name)) next.add(name);
    this.off = next;
  }

  #tableView(frame: DyingFrame, points: CloudPoints, axes: CloudAxes): TemplateResult {
    return this.#table.render({ label: `Features at step ${frame.step}`, columns: cloudColumns(frame, points, axes), rows: this.#rows, version: points, selected: (i) => i === this.feature || (this.features?.includes(i) ?? false), open: (i) => this.#open(i) });
  }

  #plot(record: DyingRecord, frame: DyingFrame, points: CloudPoints, axes: CloudAxes): TemplateResult {
    const { width, height } = this.size;
    const layout = layoutAxes(axes, frame, { matrix: this.#matrix, width, height });
    const pointed = this.hovered ?? this.focused;
    const at = pointed === null ? null : this.positionOf(pointed);
    const names = axes.map(({ quantity }) => quantity.label).join(' × ');
    return html`
      ${probesTemplate(this.#onColors)}
      <div
        class="plot ${this.brushing ? 'brushing' : ''}"
        part="plot"
        role="application"
        aria-roledescription="3-D scatter plot"
        aria-label=${`${names} of ${formatCount(this.#rows.length)} features at step ${frame.step}`}
        aria-describedby="keys"
        tabindex="0"
        @pointerdown=${this.#gestures.onPointerDown}
        @pointermove=${this.#gestures.onPointerMove}
        @pointerup=${this.#gestures.onPointerUp}
        @pointercancel=${this.#gestures.onPointerUp}
        @pointerleave=${this.#gestures.onPointerLeave}
        @wheel=${this.#gestures.onWheel}
        @keydown=${this.#onKeydown}
      >
        ${backTemplate(layout, width, height)}
        <div class="stage"></div>
        <canvas class="paper" aria-hidden="true"></canvas>
        ${frontTemplate(this.#front(layout, frame, points, axes))}
        ${pointed === null || at === null || this.outline !== null ? nothing : tooltipTemplate(describeFeature(record, frame, points, axes, pointed), at, width, height)}
      </div>
      <p id="keys" class="visually-hidden">Arrow keys turn the view, plus and minus zoom, 0 resets. N and P go to the next and the previous feature by density, Enter opens it. Shift and arrow keys outline features from there; Escape takes the choice away. The button Table shows the same features in a table.</p>
      ${this.compact ? nothing : guard([points, this.#chosen, width], () => marginalsTemplate(points, axes, this.#chosen, width))}
    `;
  }

  #front(layout: FrontState['layout'], frame: DyingFrame, points: CloudPoints, axes: CloudAxes): FrontState {
    const { width, height } = this.size;
    const { features, feature, focused, hovered } = this;
    const all = this.whiskers === 'all' && this.#rows.length <= WHISKERS;
    const wanted = this.whiskers === 'none' ? [] : all ? this.#rows : new Set([...(features !== null && features.length <= 200 ? features : []), feature, focused, hovered]);
    const whiskers = whiskerPaths(axes, frame, points, wanted, { matrix: this.#matrix, width, height });
    const open = this.feature ?? (this.features?.length === 1 ? this.features[0]! : null);
    const rings = ([['open', open], ['focus', this.hovered ?? this.focused]] as const).flatMap(([kind, i]) => {
      const at = i === null ? null : this.positionOf(i);
      if (i === null || at === null) return [];
      const size = markRadius(this.#rows.length) * sizeAt(at.w, middleDepth(this.#matrix));
      return [{ kind, at, radius: size + (kind === 'open' ? 5 : 3) }];
    });
    return { layout, width, height, whiskers, rings, brush: outlinePath(this.outline) };
  }

  #readout(record: DyingRecord, frame: DyingFrame, points: CloudPoints, axes: CloudAxes): string {
    if (this.outline !== null || (this.features !== null && this.features.length !== 1 && this.focused === null)) return `${formatCount(this.features?.length ?? 0)} features chosen.`;
    if (this.focused !== null) {
      const { title, lines } = describeFeature(record, frame, points, axes, this.focused);
      return `${title}: ${lines.join('; ')}`;
    }
    const many = this.whiskers === 'all' && this.#rows.length > WHISKERS ? ` Whiskers are drawn of up to ${formatCount(WHISKERS)} features: switch classes off.` : '';
    const without = points.without > 0 ? ` ${formatCount(points.without)} features have no value on an axis and are left out.` : '';
    return `${formatCount(this.#rows.length)} of ${formatCount(points.count)} features at step ${formatCount(frame.step)}, over ${formatCount(frame.rows)} rows.${without}${many}`;
  }
}
