/** The table `verdict` of a pack as results. */
import { FormatError } from '../../engine/errors.js';
import { PREDICTION_IDS, type Outcome, type PredictionId, type PredictionResult } from '../../engine/dying/predictions.js';
import { tableRows, type Pack } from '../../engine/pack/reader.js';

const OUTCOMES: readonly string[] = ['supports', 'refutes', 'cannot-tell'];

/** @throws FormatError where the pack has no verdict, or one that is not of this form */
export async function readVerdict(pack: Pack, signal: AbortSignal): Promise<PredictionResult[]> {
  if (!pack.manifest.tables.some(({ name }) => name === 'verdict')) {
    throw new FormatError(`${pack.name}: the pack has no verdict`, { hint: 'saekit dying --run RUN … writes one; saekit analyze does not.' });
  }
  return tableRows(await pack.table('verdict', { signal })).map((row) => {
    const { id, outcome } = row;
    if (!(PREDICTION_IDS as readonly unknown[]).includes(id) || !OUTCOMES.includes(String(outcome))) throw new FormatError(`${pack.name}: its table verdict has a row ${JSON.stringify(id)} with the outcome ${JSON.stringify(outcome)}`, { hint: 'Was the pack made by a newer saekit?' });
    const number = (name: string): number | null => (row[name] === null || row[name] === undefined ? null : Number(row[name]));
    const [low, high] = [number('low'), number('high')];
    return {
      id: id as PredictionId,
      claim: String(row['claim']),
      quantity: String(row['quantity']),
      value: number('value'),
      interval: low === null || high === null ? null : [low, high],
      null_value: number('null_value'),
      null_name: String(row['null_name'] ?? ''),
      outcome: outcome as Outcome,
      reason: String(row['reason']),
      needs_tokens: number('needs_tokens'),
    };
  });
}
