/**
 * What a sweep tells of a run: the swept knobs, the quantities that are always
 * there so that a confound shows, and the outcome.
 */
import { cell, type JsonObject } from './config.js';

/** `waiting`: not begun. `stopped`: interrupted, goes on when the sweep is run again. */
export type RunStatus = 'done' | 'early-stop' | 'diverged' | 'failed' | 'stopped' | 'waiting';

/** Figures of a run that came to its end. Shares are of 1. Null where it is not known. */
export interface SweepFigures {
  readonly steps: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Rows on which the rest was measured, drawn from the data; what fired on none of them counts as dead. */
  readonly rows: number;

  // Told beside whatever was swept.
  /** ||E x|| / sqrt(tr Cov x) of the data. */
  readonly gamma: number;
  /** ||E x - b_dec|| / sqrt(tr Cov x), with the b_dec that the run began with (null where no checkpoint of step 0 was kept), and the one it ended with. */
  readonly gamma_start: number | null;
  readonly gamma_end: number;
  /** Mean |cos| of two different decoder rows; and of two different true features. */
  readonly coherence: number;
  readonly coherence_truth: number | null;
  readonly l0: number;
  /** d_sae / N: N is the number of true features, or, where those are not known, the data's rows. */
  readonly n_over_N: number | null;
  readonly N_is: 'features' | 'rows' | null;

  // The outcome.
  readonly mse: number;
  /** E||x - xhat||^2 / tr Cov x; `ev` is 1 - fvu. */
  readonly fvu: number;
  readonly ev: number;
  /** Share of features that fired on none of `rows` rows. */
  readonly dead: number;
  /** Share of features that had not fired for `dead_after` rows when training ended. */
  readonly silent: number;
  /** Share that fired on fewer than 1e-4 of the rows, dead ones included. */
  readonly below_1e_4: number;
  readonly mcc: number | null;
  /** Mean over true features of the best cosine of a decoder row. */
  readonly mmcs: number | null;
  readonly uniqueness: number | null;
}

export interface SweepRow {
  /** The run's name, which is its folder below the sweep's. */
  readonly run: string;
  readonly settings: JsonObject;
  readonly status: RunStatus;
  /** Why it failed or diverged. */
  readonly message: string | null;
  readonly figures: SweepFigures | null;
}

/** The figures' names, as CSV lists them. */
export const FIGURES = ['steps', 'tokens', 'seconds', 'rows', 'gamma', 'gamma_start', 'gamma_end', 'coherence', 'coherence_truth', 'l0', 'n_over_N', 'N_is', 'mse', 'fvu', 'ev', 'dead', 'silent', 'below_1e_4', 'mcc', 'mmcs', 'uniqueness'] as const satisfies readonly (keyof SweepFigures)[];

/**
 * The table as CSV (RFC 4180, LF): run, status, the swept knobs, the figures, the
 * message. Numbers as JavaScript writes them, so that they come back the same;
 * nothing where there is none.
 */
export function sweepCsv(keys: readonly string[], rows: readonly SweepRow[]): string {
  const lines = [['run', 'status', ...keys, ...FIGURES, 'message']];
  for (const { run, status, settings, figures, message } of rows) {
    lines.push([run, status, ...keys.map((key) => cell(settings[key] ?? null)), ...FIGURES.map((name) => cell(figures?.[name] ?? null)), message ?? '']);
  }
  return `${lines.map((line) => line.map(quoted).join(',')).join('\n')}\n`;
}

function quoted(text: string): string {
  // A leading = + - @ would be a formula to a spreadsheet, except where it begins a number.
  const safe = /^[=+@\t\r]|^-(?![\d.])/.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
