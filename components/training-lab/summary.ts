/** The runs in numbers, at the step that is looked at: what the views draw, for those who would rather read it. */
import { html, nothing, type TemplateResult } from 'lit';
import type { DyingFrame } from '../../engine/dying/record.js';
import { classOf } from '../../engine/statistics.js';
import { frameAt as indexAt } from '../internal/dying-element.js';
import { formatCount, formatNumber, formatSigned } from '../internal/format.js';
import type { LabRun } from './lab-run.js';

const CLASSES = ['dead', 'ultralow', 'rare', 'live', 'dense'] as const;

interface FrameSummary {
  readonly classes: Readonly<Record<(typeof CLASSES)[number], number>>;
  /** Median cos(w_i, w*) of the dead; null without any. */
  readonly dead_cosine: number | null;
}

const known = new WeakMap<DyingFrame, FrameSummary>();

/** Features by class, and where the dead ones point. */
export function summaryOf(frame: DyingFrame): FrameSummary {
  const before = known.get(frame);
  if (before !== undefined) return before;
  const classes = { dead: 0, ultralow: 0, rare: 0, live: 0, dense: 0 };
  const cosines: number[] = [];
  for (const [i, count] of frame.counts.entries()) {
    classes[classOf(count, frame.rows)]++;
    const cosine = frame.direction_cosine[i] as number;
    if (count === 0 && !Number.isNaN(cosine)) cosines.push(cosine);
  }
  cosines.sort((a, b) => a - b);
  const middle = cosines.length >> 1;
  const median = cosines.length === 0 ? null : cosines.length % 2 === 1 ? (cosines[middle] as number) : ((cosines[middle - 1] as number) + (cosines[middle] as number)) / 2;
  const summary = { classes, dead_cosine: median };
  known.set(frame, summary);
  return summary;
}

/** The last frame at or before a step; null where there is none. */
export function frameAt(frames: readonly DyingFrame[], step: number | null): DyingFrame | null {
  return frames[indexAt({ frames }, step)] ?? null;
}

export function summaryTemplate(runs: readonly LabRun[], step: number | null): TemplateResult | typeof nothing {
  const rows = runs.flatMap((run) => {
    const frame = frameAt(run.record?.frames ?? [], step);
    return frame === null ? [] : [{ run, frame, ...summaryOf(frame), figures: run.figures(frame.step) }];
  });
  if (rows.length === 0) return nothing;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="The runs in numbers">
      <table part="summary">
        <caption>On ${formatCount(rows[0]?.frame.rows ?? 0)} held-out rows${step === null ? ', at the last frame' : ''}</caption>
        <thead>
          <tr><th scope="col">run</th><th scope="col">step</th><th scope="col">L0</th><th scope="col">FVU</th>${CLASSES.map((name) => html`<th scope="col"><span class=${`dot ${name}`}></span>${name}</th>`)}<th scope="col">cos(w, w*) of the dead</th></tr>
        </thead>
        <tbody>
          ${rows.map(({ run, frame, classes, dead_cosine, figures }) => html`
            <tr>
              <th scope="row"><span class=${`swatch run-${run.name}`}></span>${run.name}</th>
              <td>${formatCount(frame.step)}</td>
              <td>${formatNumber(figures?.l0 ?? null)}</td>
              <td>${formatNumber(figures?.fvu ?? null)}</td>
              ${CLASSES.map((name) => html`<td>${formatCount(classes[name])}</td>`)}
              <td>${dead_cosine === null ? '–' : formatSigned(dead_cosine)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>
  `;
}
