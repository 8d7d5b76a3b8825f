/**
 * The L0-FVU frontier of a sweep as one SVG that any viewer opens as it is: no
 * script, colours for light and dark, shapes beside colours, every point with its
 * run's name and figures, the whole told in words. Lower and further left is better.
 */
import { canonical, cell, type JsonObject } from './config.js';
import { isSeed } from './confounds.js';
import type { SweepFigures, SweepRow } from './row.js';

const WIDTH = 720;
const PLOT = { left: 64, top: 56, width: 400, height: 300 } as const;
/** Series are told apart by colour and shape together; both have six. */
const COLOURS: readonly (readonly [light: string, dark: string])[] = [
  ['#2b628f', '#8ab8e0'],
  ['#a85f17', '#e58b46'],
  ['#12563a', '#7fdca0'],
  ['#6c2a7e', '#e6aaf7'],
  ['#a8321f', '#f09482'],
  ['#64676d', '#989fa6'],
];
const SHAPES = ['M-4-4h8v8h-8z', 'M0-5.5 5 3.5-5 3.5z', 'M0-6 6 0 0 6-6 0z', 'M-5-1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z', 'M0 5.5-5-3.5 5-3.5z', 'M0-5a5 5 0 1 1 0 10a5 5 0 1 1 0-10z'] as const;
/** What moves a run along the frontier: such knobs make no series of their own. */
const SPARSITY = ['k', 'l1', 'target_l0'];

type Ended = SweepRow & { readonly figures: SweepFigures };

/** Runs that no other beats in both: at most its L0 and at most its FVU, and less in one. By L0. */
export function frontierOf(rows: readonly SweepRow[]): Ended[] {
  const ended = drawable(rows).sort((a, b) => a.figures.l0 - b.figures.l0 || a.figures.fvu - b.figures.fvu);
  let least = Infinity;
  return ended.filter(({ figures }) => {
    if (figures.fvu >= least) return false;
    least = figures.fvu;
    return true;
  });
}

/** @param keys swept knobs in the grid's order */
export function frontierSvg(title: string, keys: readonly string[], rows: readonly SweepRow[]): string {
  const ended = drawable(rows);
  const own = keys.filter((key) => !isSeed(key) && !SPARSITY.includes(key));
  const traced = keys.some((key) => SPARSITY.includes(key));
  const series = new Map<string, { readonly label: string; readonly rows: Ended[] }>();
  for (const row of ended) {
    const at = canonical(own.map((key) => row.settings[key] ?? null));
    const found = series.get(at) ?? { label: own.length === 0 ? 'all runs' : settingsText(row.settings, own), rows: [] };
    found.rows.push(row);
    series.set(at, found);
  }
  const frontier = frontierOf(rows);
  const x = axis(ended.map(({ figures }) => figures.l0), PLOT.left, PLOT.width);
  const y = axis(ended.map(({ figures }) => figures.fvu), PLOT.top + PLOT.height, -PLOT.height);
  const at = ({ figures }: Ended): string => `${round(x.place(figures.l0))} ${round(y.place(figures.fvu))}`;
  const legend = [...series.values()].map(({ label }) => clipped(label));
  const height = Math.max(PLOT.top + PLOT.height + 56, PLOT.top + 40 + 22 * (legend.length + 1));
  const bottom = PLOT.top + PLOT.height;
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escape(`${title}: L0 against FVU`)}</title>`,
    `<desc id="description">${escape(described(rows, ended, frontier))}</desc>`,
    `<style>${style()}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    `<text class="heading" x="${PLOT.left}" y="28">${escape(`${title}: L0 against FVU`)}</text>`,
  ];
  for (const tick of x.ticks) out.push(`<path class="grid" d="M${round(x.place(tick))} ${PLOT.top}V${bottom}"/><text class="tick" x="${round(x.place(tick))}" y="${bottom + 18}" text-anchor="middle">${short(tick)}</text>`);
  for (const tick of y.ticks) out.push(`<path class="grid" d="M${PLOT.left} ${round(y.place(tick))}h${PLOT.width}"/><text class="tick" x="${PLOT.left - 8}" y="${round(y.place(tick) + 4)}" text-anchor="end">${short(tick)}</text>`);
  out.push(`<path class="axis" d="M${PLOT.left} ${PLOT.top}V${bottom}h${PLOT.width}"/>`);
  out.push(`<text class="name" x="${PLOT.left + PLOT.width / 2}" y="${bottom + 40}" text-anchor="middle">L0: features active on a row${x.log ? ' (log scale)' : ''}</text>`);
  out.push(`<text class="name" transform="translate(18 ${PLOT.top + PLOT.height / 2}) rotate(-90)" text-anchor="middle">FVU: share of the variance left${y.log ? ' (log scale)' : ''}</text>`);
  if (ended.length === 0) out.push(`<text class="name" x="${PLOT.left + PLOT.width / 2}" y="${PLOT.top + PLOT.height / 2}" text-anchor="middle">No run has come to its end.</text>`);
  if (frontier.length > 1) out.push(`<path class="frontier" d="M${frontier.map(at).join('L')}"/>`);
  for (const [i, { label, rows: points }] of [...series.values()].entries()) {
    const sorted = [...points].sort((a, b) => a.figures.l0 - b.figures.l0);
    out.push(`<g class="series s${i % COLOURS.length}"><title>${escape(label)}</title>`);
    if (traced && sorted.length > 1) out.push(`<path class="line" d="M${sorted.map(at).join('L')}"/>`);
    for (const point of sorted) out.push(`<path class="point" transform="translate(${at(point)})" d="${SHAPES[i % SHAPES.length]}"><title>${escape(pointText(point))}</title></path>`);
    out.push('</g>');
  }
  const side = PLOT.left + PLOT.width + 24;
  out.push(`<g aria-hidden="true">`);
  for (const [i, label] of legend.entries()) {
    out.push(`<g class="series s${i % COLOURS.length}"><path class="point" transform="translate(${side} ${PLOT.top + 12 + 22 * i})" d="${SHAPES[i % SHAPES.length]}"/></g><text class="tick" x="${side + 14}" y="${PLOT.top + 16 + 22 * i}">${escape(label)}</text>`);
  }
  if (frontier.length > 1) out.push(`<path class="frontier" d="M${side - 6} ${PLOT.top + 12 + 22 * legend.length}h12"/><text class="tick" x="${side + 14}" y="${PLOT.top + 16 + 22 * legend.length}">frontier of all runs</text>`);
  out.push('</g>', '</svg>', '');
  return out.join('\n');
}

function drawable(rows: readonly SweepRow[]): Ended[] {
  return rows.filter((row): row is Ended => row.figures !== null && Number.isFinite(row.figures.l0) && Number.isFinite(row.figures.fvu));
}

function style(): string {
  const colours = (scheme: 0 | 1): string => COLOURS.map((pair, i) => `.s${i}{--c:${pair[scheme]}}`).join('');
  return [
    'svg{--ground:#fff;--text:#1b1f23;--muted:#5a626a;--rule:#dde0e3;font:13px system-ui,sans-serif}',
    colours(0),
    `@media(prefers-color-scheme:dark){svg{--ground:#16181b;--text:#e4e6e9;--muted:#9fa6ae;--rule:#34393f}${colours(1)}}`,
    '.ground{fill:var(--ground)}text{fill:var(--text)}.heading{font-size:16px;font-weight:600}.tick{fill:var(--muted);font-size:12px}',
    '.grid{stroke:var(--rule)}.axis{stroke:var(--muted);fill:none}.frontier{stroke:var(--muted);stroke-dasharray:4 3;fill:none}',
    '.line{stroke:var(--c);fill:none;opacity:.6}.point{fill:var(--c);stroke:var(--ground);stroke-width:1}',
  ].join('');
}

function described(rows: readonly SweepRow[], ended: readonly Ended[], frontier: readonly Ended[]): string {
  const rest = rows.length - ended.length;
  const of = `${ended.length} of ${rows.length} runs are drawn${rest === 0 ? '' : `; ${rest} failed or did not come to their end`}.`;
  return frontier.length === 0 ? of : `${of} No other run has less of both than ${frontier.map(pointText).join('; ')}.`;
}

function pointText({ run, figures }: Ended): string {
  return `${run}: L0 ${short(figures.l0)}, FVU ${short(figures.fvu)}, dead ${(100 * figures.dead).toFixed(1)} %`;
}

function settingsText(settings: JsonObject, keys: readonly string[]): string {
  return keys.map((key) => `${key} ${cell(settings[key] ?? null)}`).join(', ');
}

/** Smaller values and differences are nought here. */
const TINY = 1e-12;

interface Axis {
  readonly log: boolean;
  readonly ticks: readonly number[];
  place(value: number): number;
}

/** A scale over the values with room at both ends: by powers where they span more than a factor of 10. */
function axis(values: readonly number[], from: number, length: number): Axis {
  const low = values.length === 0 ? 0 : Math.min(...values);
  const high = values.length === 0 ? 1 : Math.max(...values);
  const log = low > TINY && high > 10 * low;
  const [a, b] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  // One value alone stands in the middle.
  const room = b - a <= TINY + 1e-9 * Math.abs(b) ? Math.max(Math.abs(a) / 10, 0.05) : (b - a) * 0.06;
  const first = log || low < 0 ? a - room : Math.max(0, a - room);
  const last = b + room;
  const place = (value: number): number => from + (length * ((log ? Math.log10(value) : value) - first)) / (last - first);
  return { log, place, ticks: log ? powers(first, last) : steps(first, last) };
}

/** Multiples of 1, 2 or 5 times a power of ten: four to nine of them. */
function steps(first: number, last: number): number[] {
  const rough = (last - first) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let i = Math.ceil(first / step); i * step <= last; i++) ticks.push(i * step);
  return ticks;
}

/** 1, 2 and 5 times the powers of ten; over more than three powers those alone. */
function powers(first: number, last: number): number[] {
  const factors = last - first > 3 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(first); power <= last; power++) for (const factor of factors) if (Math.log10(factor) + power >= first && Math.log10(factor) + power <= last) ticks.push(factor * 10 ** power);
  return ticks;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
const round = (value: number): string => String(Math.round(10 * value) / 10);
const clipped = (text: string): string => (text.length > 32 ? `${text.slice(0, 31)}…` : text);

/** Text for XML: markup escaped, and without the characters that XML 1.0 has no way to write. */
function escape(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
