/** The examples table: one row an example, sorted by feature, group and rank. */
import type { Table } from '../../../engine/run/table.js';
import type { WindowStore } from '../../../engine/sketches/window-store.js';
import type { PluginContext } from '../../types.js';
import type { ExamplesSettings } from './index.js';

/** Intervals of [0, max]; a pack has tenths (engine/pack/schema.ts). */
export const INTERVALS = 10;

/** What goes into a row; `item` is the window's. */
export interface Example {
  readonly feature: number;
  readonly group: number;
  readonly rank: number;
  readonly item: number;
}

export function examplesTable(examples: readonly Example[], store: WindowStore, ctx: Pick<PluginContext<ExamplesSettings>, 'hasTokens' | 'tokenText' | 'settings'>): Table {
  const { before, after, perInterval } = ctx.settings;
  const texts = new Map<number, string>();
  const text = (id: number): string => {
    let shown = texts.get(id);
    if (shown === undefined) {
      shown = ctx.tokenText === null ? `#${id}` : ctx.tokenText(id);
      texts.set(id, shown);
    }
    return shown;
  };
  const views = examples.map(({ item }) => store.read(item));
  const tokens = views.map((view) => (ctx.hasTokens ? Array.from(view.tokens, text) : Array<string>(view.length).fill('·')));
  return {
    name: 'examples',
    rows: examples.length,
    featuresPerGroup: 8,
    columns: [
      { name: 'feature', type: 'u32', data: Uint32Array.from(examples, ({ feature }) => feature), description: 'Index of the feature in the SAE.' },
      { name: 'group', type: 'u8', data: Uint8Array.from(examples, ({ group }) => group), description: `0: the largest activations, in each context none within ${Math.max(before, after)} positions of a larger one. 1 to 10: random firings of that tenth of [0, max], its lower end included (10: both).` },
      { name: 'rank', type: 'u8', data: Uint8Array.from(examples, ({ rank }) => rank), description: `Group 0: 0 is the largest. Others: a random order fixed by the seed, at most ${perInterval}; the first r of them are a uniform sample too.` },
      { name: 'context', type: 'u32', data: Uint32Array.from(examples, ({ item }) => store.context(item)), description: 'Index of the context in the stream.' },
      { name: 'position', type: 'u32', data: Uint32Array.from(examples, ({ item }) => store.position(item)), description: 'Position of the firing token in its context.' },
      { name: 'value', type: 'f32', data: Float32Array.from(examples, ({ item }) => store.value(item)), description: 'Activation on the firing token.' },
      { name: 'start', type: 'u32', data: Uint32Array.from(views, ({ start }) => start), description: `Position of the window's first token; a window has ${before} tokens before and ${after} behind the firing one, fewer at the ends of the context.` },
      { name: 'tokens', type: { list: 'string' }, data: tokens, description: 'Text of each token of the window; #id without a tokenizer, · without tokens.' },
      { name: 'act_offsets', type: { list: 'u8' }, data: views.map(({ offsets }) => offsets), description: 'Where in the window the feature fires; tokens that are left out of statistics do not fire.' },
      { name: 'act_values', type: { list: 'f32' }, data: views.map(({ values }) => values), description: 'Activation at each of act_offsets.' },
    ],
  };
}
