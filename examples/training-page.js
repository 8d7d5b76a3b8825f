/**
 * Starts a live run in a worker and hands it to the monitor, whose controls do the
 * rest. Because the data are generated, the directions that the decoder has found
 * can be held against the true ones, at every state that is kept.
 */
import { createLiveTrainer } from '../dist/browser/training.js';

const find = (id) => document.getElementById(id);
const form = find('setup');
const monitor = find('monitor');
/** What the data are: hidden directions with rates from 10 % down to 0.1 %. */
const SPEC = { kind: 'superposition', d: 32, features: 96, p_high: 0.1, p_low: 0.001, zipf: 0.7, magnitude_mean: 1, magnitude_sd: 0.2, seed: 1 };
const STEPS = 20_000;
const BATCH = 256;

/** Runs that this page has to dispose of: the one that was started, and its branches. */
const runs = [];

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void begin().catch(({ message, hint }) => say(`It does not start: ${message}${hint ? ` ${hint}` : ''}`));
});
monitor.addEventListener('sae-branch', ({ live }) => runs.push(live));

async function begin() {
  const { arch, d_sae, revive, seed, backend } = Object.fromEntries(new FormData(form));
  find('start').disabled = true;
  say('Starting …');
  find('notices').replaceChildren();
  try {
    monitor.live = null;
    for (const run of runs.splice(0)) await run.dispose();
    const live = await createLiveTrainer({
      recipe: {
        arch,
        d_sae: Number(d_sae),
        ...SPARSITY[arch],
        ...(revive === 'auxk' ? { auxk: 1 / 32, auxk_k: 16 } : { auxk: 0 }),
        ...(revive === 'resample' ? { resample: 'anthropic', resample_at: [2000, 4000, 8000], resample_window: 500, resample_rows: 8192 } : {}),
        seed: Number(seed),
        batch: BATCH,
        steps: STEPS,
        lr: 1e-3,
        warmup: 100,
        decay: 4000,
        dead_after: 200 * BATCH,
        density_window: 100 * BATCH,
        log_every: 5,
        checkpoints: 'log:16',
      },
      data: { kind: 'generator', spec: SPEC },
      backend,
      watch: Array.from({ length: Number(d_sae) }, (_, feature) => feature),
    });
    runs.push(live);
    for (const text of live.notices) notice(text);
    live.addEventListener('notice', ({ text }) => notice(text));
    live.addEventListener('events', ({ events }) => {
      const last = events.findLast(({ type }) => type === 'snapshot');
      if (last !== undefined) void compare(last.snapshot);
    });
    monitor.live = live;
    await live.start();
    say('');
  } finally {
    find('start').disabled = false;
  }
}

/** What keeps codes sparse, and how much of it gives an L0 near that of the data. */
const SPARSITY = {
  standard: { l1: 0.3, decoder_norm: 'unit', normalize: 'none' },
  topk: { k: 3, normalize: 'none' },
  batchtopk: { k: 3, normalize: 'none' },
  jumprelu: { l1: 0.1, l1_warmup: 2000, bandwidth: 0.05, threshold_init: 0.05, normalize: 'none' },
  gated: { l1: 0.3, normalize: 'none' },
};

let truth = null;

/** How many of the true directions some feature points along. */
async function compare({ step, decoder }) {
  truth ??= import('../dist/browser/generate.js').then(({ generatedData }) => generatedData(SPEC).truth);
  const { directions, features, d } = await truth;
  let found = 0;
  for (let t = 0; t < features; t++) if (closest(decoder, directions.subarray(t * d, (t + 1) * d)) > 0.9) found++;
  find('recovered').hidden = false;
  find('recovered').textContent = `At step ${step.toLocaleString('en')}, ${found} of the ${features} true directions are found: a decoder row has a cosine above 0.9 with each of them.`;
}

/** The greatest cosine of a unit direction with the rows of a decoder. */
function closest(decoder, direction) {
  let best = -1;
  for (let row = 0; row < decoder.length; row += direction.length) {
    let [dot, square] = [0, 0];
    for (let c = 0; c < direction.length; c++) {
      dot += decoder[row + c] * direction[c];
      square += decoder[row + c] ** 2;
    }
    best = Math.max(best, dot / Math.sqrt(square));
  }
  return best;
}

function notice(text) {
  const item = document.createElement('li');
  item.textContent = text;
  find('notices').append(item);
}

function say(text) {
  find('status').textContent = text;
}

// A finished run is shown where the page says that there is one, or its address does: ?run=…
const finished = new URLSearchParams(location.search).get('run') ?? find('finished').dataset.run;
if (finished) {
  find('finished').hidden = false;
  find('folder').src = finished;
}
