/**
 * `saekit/generate`: rows whose answers are known, and how well a dictionary recovers them.
 * Described in docs/generators.md.
 */
export { coherence, type Coherence } from '../matching/coherence.js';
export { deadRecovery, type DeadRecovery } from '../matching/dead-recovery.js';
export { FiringScores, type FiringRows, type FiringSummary } from '../matching/firing-scores.js';
export { gammaOf, type Gamma } from '../matching/gamma.js';
export { hungarian, type Assignment } from '../matching/hungarian.js';
export { matchDictionaries, type DictionaryMatch, type MatchedPair, type MatchOptions } from '../matching/match-dictionaries.js';
export { generate, generatedData, type Generated, type GeneratedData, type GenerateOptions, type TrueCodes } from './generate.js';
export { aboutKind, GENERATOR_KINDS, resolveGenerator, type GeneratorKind, type GeneratorSpec, type ResolvedSpec } from './generators.js';
export { PRESETS } from './presets.js';
export type { GeneratedTruth, Moments } from './sampler.js';
export { generatedFiles, saveGenerated, type FileTarget, type SaveOptions, type SaveReport } from './save.js';
export { itemBoundary, type TasksSpec } from './tasks.js';
