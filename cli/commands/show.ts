/** `saekit show`: one feature's card, in the terminal or as JSON. */
import { Command } from 'commander';
import { openPack, type FeatureCard, type Manifest } from '../../plugins/index.js';
import { cardText } from '../card-text.js';
import { oneOf, whole } from '../options.js';
import { print, printJson, terminalWidth, wantsColour } from '../output.js';

interface ShowFlags {
  readonly feature: number;
  readonly json?: boolean;
  readonly examples: number;
  readonly color?: 'always' | 'never' | 'auto';
  readonly width?: number;
}

export function showCommand(): Command {
  return new Command('show')
    .description("Print a feature's card: where it fires, how often, how strongly, and what it writes.")
    .argument('<pack>', 'folder or URL of a pack')
    .requiredOption('--feature <n>', 'index of the feature', whole(0))
    .option('--examples <n>', 'top examples to print', whole(0), 10)
    .option('--color <when>', 'always, never or auto', oneOf('always', 'never', 'auto'), 'auto')
    .option('--width <n>', 'columns to use (default: the terminal)', whole(40))
    .option('--json', 'print one JSON object on stdout and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  saekit show pack/ --feature 61
  saekit show https://example.org/pack/ --feature 61 --json | jq .density

With --json: {feature, count, tokens, density, density_low, density_high, class, mean, max, bias,
  effective_bias, de_projection, de_cosine, encoder_norm, decoder_norm, histogram, quantiles,
  examples, logits, neighbours}`,
    )
    .action(async (folder: string, flags: ShowFlags) => {
      const pack = await openPack(folder);
      const card = await pack.card(flags.feature);
      if (flags.json === true) return printJson(cardJson(card));
      print(
        cardText(card, {
          colour: wantsColour(flags.color === 'always' ? true : flags.color === 'never' ? false : undefined),
          width: flags.width ?? terminalWidth(),
          examples: flags.examples,
          missing: missing(pack.manifest),
        }),
      );
    });
}

/** What `--json` promises, in this order. */
function cardJson(card: FeatureCard): Omit<FeatureCard, 'source'> {
  const { source: _source, ...rest } = card;
  return rest;
}

/** Built-in analyses that are not in the pack, and why. */
function missing({ plugins }: Manifest): string[] {
  return plugins.flatMap(({ id, title, status, message }) => (id.startsWith('sae/') && status !== 'done' ? [`${title} (${message ?? status})`] : []));
}
