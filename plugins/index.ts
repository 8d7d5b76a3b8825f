/**
 * The package `saekit`: everything that runs without a page. Importing it does
 * nothing; backends, formats and analyses load their code when they are used.
 */
export { analyze, type AnalyzeOptions, type AnalyzeReport } from './analyze.js';
export { encodeToFile, type EncodeOptions, type EncodeReport } from './encode.js';
export { type InputOptions } from './inputs.js';

// Plugins
export { builtins, dyingInstruments, extras } from './builtin/index.js';
export { createRegistry, PluginRegistry, registry, RegistryEvent, type AnyPlugin, type PluginConflict, type Registration } from './registry.js';
export { PluginError, type PluginPhase } from './errors.js';
export { createHost, PluginHost, type HostOptions, type HostResult, type PluginRecord } from './host.js';
export { resolveSettings, settingsJsonSchema, type ResolvedSettings } from './settings.js';
export {
  API_VERSION,
  type AnalysisPlugin,
  type ComparedRun,
  type InferSettings,
  type PluginContext,
  type PluginModule,
  type PluginNeeds,
  type PluginView,
  type SettingDescriptor,
  type SettingsSchema,
} from './types.js';

// The run, for those who put its parts together themselves
export { runStream, defaultContextsPerBatch, type RunOptions, type RunTotals } from '../engine/run/run.js';
export { type ProgressEvent } from '../engine/run/progress.js';
export { type Accumulator, type AnalysisResult, type Batch, type StateValue } from '../engine/run/accumulator.js';
export { type Column, type ColumnType, type ScalarType, type Table } from '../engine/run/table.js';
export { decodeState, encodeState } from '../engine/state.js';
export { RowSample, type SampledRows } from '../engine/sketches/row-sample.js';
export { createRandom, hash32, uniform, type Random } from '../engine/random.js';

// SAEs, activations, backends
export { type Sae, type SaeMetadata, type Architecture, type NormalizeActivations } from '../engine/sae.js';
export { type SparseCodes } from '../engine/codes.js';
export { prepareInput, type PreparedInput } from '../engine/prepare.js';
export { type Backend, type BackendInfo, type BackendKind, type LoadedSae } from '../engine/backend.js';
export { chooseBackend, describeEnvironment } from '../engine/choose-backend.js';
export { loadSae } from '../engine/formats/load-sae.js';
export { loadUnembedding, type Unembedding } from '../engine/formats/unembedding.js';
export { loadTokenizer, type Tokenizer } from '../engine/tokenizer.js';
export { fileSource } from '../engine/sources/file-source.js';
export { modelSource } from '../engine/sources/model-source.js';
export { loadTokens } from '../engine/sources/tokens.js';
export { type ActivationBatch, type ActivationSource, type BatchOptions } from '../engine/sources/source.js';
export { writeSafetensors } from '../engine/formats/safetensors.js';
export { openFolder, openRef, type Folder, type FolderRef, type Ref } from '../engine/io/open.js';
export { bytesSource, type ByteSource } from '../engine/io/bytes.js';

// Packs
export { directorySink, memorySink, type PackSink } from '../engine/io/sink.js';
export { zipSink } from '../engine/io/sink-zip.js';
export { openPack, tableRows, type Pack, type PackSummary } from '../engine/pack/reader.js';
export { writePack, type WritePackOptions } from '../engine/pack/writer.js';
export { type FeatureCard, type FeatureClass, type Manifest } from '../engine/pack/schema.js';

export { BackendError, FormatError, isAbort, NumericError, SaekitError, ShapeError, UsageError } from '../engine/errors.js';
export { VERSION } from '../engine/version.js';
