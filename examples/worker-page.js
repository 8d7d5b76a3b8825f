/**
 * The page's side: starts worker.js, shows how far it is, and hands the pack that
 * comes back to a <sae-pack-view>. Cancelling is a message: the worker aborts its
 * own AbortController, so that the run ends cleanly and can be started again.
 */
import { openPack } from '../dist/saekit.js';

const find = (id) => document.getElementById(id);
const form = find('run');
const [start, cancel, progress, status, notices, result] = ['start', 'cancel', 'progress', 'status', 'notices', 'result'].map(find);
/** The example's files, as URLs: a worker resolves relative ones against itself. */
const file = (name) => new URL(`stories260k/${name}`, import.meta.url).href;

let worker = null;

form.addEventListener('submit', (event) => {
  event.preventDefault();
  worker ??= open();
  notices.replaceChildren();
  result.replaceChildren();
  result.hidden = true;
  find('state').hidden = false;
  running(true);
  say('Loading the model …');
  progress.removeAttribute('value');
  worker.postMessage({
    type: 'start',
    options: {
      sae: file('sae/'),
      model: file('model.onnx'),
      tokens: file('tokens.npy'),
      tokenizer: file('tokenizer.json'),
      unembed: file('unembedding.safetensors'),
      ignoreTokens: [1],
      backend: form.elements.backend.value,
      wasmPaths: { wasm: new URL('../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm', import.meta.url).href },
    },
  });
});
cancel.addEventListener('click', () => {
  say('Stopping …');
  worker?.postMessage({ type: 'cancel' });
});

function open() {
  const opened = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  opened.addEventListener('message', ({ data }) => ANSWERS[data.type](data));
  opened.addEventListener('error', (event) => {
    // The worker itself does not load: its messages will never come.
    worker = null;
    running(false);
    say(`The worker does not start: ${event.message || 'dist/browser/engine.js is missing; run npm run build.'}`);
  });
  return opened;
}

const ANSWERS = {
  progress({ event }) {
    const { phase, contexts, totalContexts, tokensPerSecond, etaSeconds } = event;
    if (totalContexts > 0) {
      progress.max = totalContexts;
      progress.value = contexts;
    }
    const pace = tokensPerSecond > 0 ? `, ${Math.round(tokensPerSecond).toLocaleString('en')} tokens/s` : '';
    const rest = etaSeconds === null ? '' : `, about ${Math.ceil(etaSeconds)} s left`;
    say(`${PHASES[phase] ?? phase}${totalContexts > 0 ? ` ${contexts.toLocaleString('en')} of ${totalContexts.toLocaleString('en')} contexts` : ''}${pace}${rest}`);
  },
  notice({ text }) {
    const item = document.createElement('li');
    item.textContent = text;
    notices.append(item);
  },
  async done({ report, files }) {
    running(false);
    progress.value = progress.max;
    say(`Done: ${report.tokens.toLocaleString('en')} tokens in ${report.seconds.toFixed(1)} s on ${report.backend}, L0 ${report.l0?.toFixed(2)}, FVU ${report.fvu?.toFixed(4)}.`);
    const view = document.createElement('sae-pack-view');
    view.pack = await openPack(files);
    result.replaceChildren(view);
    result.hidden = false;
  },
  cancelled() {
    running(false);
    progress.value = 0;
    say('Cancelled; nothing was kept.');
  },
  failed({ message, hint }) {
    running(false);
    progress.value = 0;
    say(`It failed: ${message}${hint ? ` ${hint}` : ''}`);
  },
};

const PHASES = { load: 'Loading', run: 'Analysing', finish: 'Finishing', write: 'Writing the pack' };

function running(on) {
  start.disabled = on;
  cancel.disabled = !on;
}

function say(text) {
  status.textContent = text;
}
