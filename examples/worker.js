/**
 * The worker's side: the same `analyze` as on the command line, with a sink in
 * memory. dist/browser/engine.js is the package with its dependencies bundled,
 * because workers have no import maps.
 */
import { analyze, isAbort, memorySink } from '../dist/browser/engine.js';

let controller = null;

addEventListener('message', async ({ data }) => {
  if (data.type === 'cancel') return controller?.abort();
  controller?.abort();
  const own = (controller = new AbortController());
  const sink = memorySink();
  try {
    const report = await analyze({
      ...data.options,
      out: sink,
      signal: own.signal,
      onProgress: (event) => postMessage({ type: 'progress', event }),
      onNotice: (text) => postMessage({ type: 'notice', text }),
    });
    const buffers = new Set([...sink.files.values()].map(({ buffer }) => buffer));
    postMessage({ type: 'done', report, files: sink.files }, [...buffers]);
  } catch (error) {
    if (isAbort(error)) postMessage({ type: 'cancelled' });
    else postMessage({ type: 'failed', message: error.message, hint: error.hint ?? null });
  }
});
