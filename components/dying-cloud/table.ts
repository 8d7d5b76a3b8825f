/** The table that stands for the plot: its columns are the class, the density with its interval, and what the axes show. */
import { html } from 'lit';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';
import type { DyingFrame } from '../../engine/dying/record.js';
import { formatCount, formatDensities, formatDensity } from '../internal/format.js';
import { markIcon } from './controls.js';
import type { CloudAxes, CloudPoints } from './points.js';
import { floorOf, intervalOf, type Quantity } from './quantities.js';
import type { TableColumn } from './window-table.js';
import { valueWords } from './words.js';

export function cloudColumns(frame: DyingFrame, points: CloudPoints, axes: CloudAxes): TableColumn[] {
  const floor = floorOf(frame);
  const shown = [...new Set(axes.map(({ quantity }) => quantity))].filter(({ name }) => name !== 'density');
  return [
    { name: 'feature', label: 'feature', description: 'Index of the feature', width: 4.6, value: (i) => i, cell: (i) => String(i) },
    { name: 'class', label: 'class', description: 'Class by density: dead, ultralow below 1e-6, rare below 1e-4, live, dense above 0.1', width: 6, value: (i) => points.classes[i]!, cell: (i) => html`${markIcon(FEATURE_CLASSES[points.classes[i]!]!, points.open[i] === 1)} ${FEATURE_CLASSES[points.classes[i]!]}` },
    { name: 'count', label: 'firings', description: `Held-out rows of ${formatCount(frame.rows)} on which it fires`, width: 5, value: (i) => frame.counts[i]!, cell: (i) => formatCount(frame.counts[i]!) },
    { name: 'density', label: 'density', description: 'Share of the held-out rows on which it fires', width: 7.4, value: (i) => frame.counts[i]! / frame.rows, cell: (i) => (points.open[i] === 1 ? `< ${formatDensity(floor)}` : formatDensity(frame.counts[i]! / frame.rows)) },
    { name: 'interval', label: '95 % interval', description: 'Wilson’s interval of the density; up to 3/N where it did not fire', width: 11, value: (i) => intervalOf(frame, i).high, cell: (i) => interval(frame, i) },
    ...shown.map((quantity: Quantity): TableColumn => ({ name: quantity.name, label: quantity.label, description: quantity.description, width: Math.max(5, 0.55 * quantity.label.length), value: (i) => quantity.of(frame, i), cell: (i) => valueWords(quantity, frame, i) })),
  ];
}

function interval(frame: DyingFrame, feature: number): string {
  const { low, high } = intervalOf(frame, feature);
  const [a, , b] = formatDensities(low, frame.counts[feature]! / frame.rows, high);
  return `${a} to ${b}`;
}
