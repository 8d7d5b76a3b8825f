/** The WASM backend in a page: goldens, oracle, module workers, and pages whose policy forbids some of it. */
import { expect } from '@esm-bundle/chai';
import { createWasmBackend } from '../../engine/wasm/backend.js';
import { checkGoldenRf, checkGoldenStories, loadGoldenRf, loadGoldenStories } from '../shared/golden.js';
import { assertCodesMatch, assertDecodeMatches, makeSae, randomRows } from '../shared/oracle.js';
import { checkRelaxed } from '../shared/relaxed-suite.js';
import { checkThreads } from '../shared/threads-suite.js';
import type { WasmProbe } from '../support/wasm-probe.js';

/** Opens a frame under a Content-Security-Policy, isolated or not, and waits for what it says. */
function probe(policy: string, isolated = true): Promise<WasmProbe> {
  const frame = document.createElement('iframe');
  if (!isolated) frame.allow = "cross-origin-isolated 'none'";
  return new Promise<WasmProbe>((resolve) => {
    addEventListener('message', (event: MessageEvent<WasmProbe>) => {
      if (event.source === frame.contentWindow) resolve(event.data);
    });
    frame.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}"><script type="module" src="/test/support/wasm-probe.ts"></script>`;
    document.body.append(frame);
  }).finally(() => frame.remove());
}

describe('WASM backend', () => {
  it('gives the golden results', async () => {
    const backend = await createWasmBackend();
    await checkGoldenRf(backend, await loadGoldenRf('/test/fixtures/rf-modulation-topk8/'));
    await checkGoldenStories(backend, await loadGoldenStories('/examples/stories260k/sae/', '/test/fixtures/'));
    await backend.dispose();
  });

  for (const architecture of ['standard', 'topk', 'jumprelu'] as const) {
    it(`${architecture}: as the oracle, and the same bits from a worker`, async () => {
      const [one, two] = await Promise.all([createWasmBackend(), createWasmBackend({ threads: 2 })]);
      expect(two.info.details.threadsReason).to.equal(undefined);
      expect(two.info.details.threads).to.equal(2);
      const sae = makeSae({ architecture, d_in: 67, d_sae: 1001, k: 11, seed: 5 });
      const [a, b] = await Promise.all([one.load(sae), two.load(sae)]);
      const xbar = randomRows(601, 67, 6);
      const codes = await b.encode(xbar, 601);
      assertCodesMatch(sae, xbar, 601, codes);
      expect(await a.encode(xbar, 601)).to.deep.equal(codes);
      assertDecodeMatches(sae, codes, await b.decode(codes));
      await Promise.all([one.dispose(), two.dispose()]);
    });
  }
});

describe('WASM threads', () => {
  it('share one memory in a page that is cross-origin isolated', async () => {
    expect(crossOriginIsolated).to.equal(true);
    expect(await checkThreads(true)).to.deep.equal({ sharedMemory: true, reason: '' });
  });

  it('have one each where that is asked for', async () => {
    expect(await checkThreads(false)).to.deep.equal({ sharedMemory: false, reason: 'not asked for' });
  });

  it('have one each in a page that is not isolated, which says so, with the same codes', async () => {
    const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'";
    const [apart, together] = [await probe(policy, false), await probe(policy)];
    expect([apart.isolated, apart.threads, apart.sharedMemory, apart.sharedReason]).to.deep.equal([false, 2, false, 'the page is not cross-origin isolated']);
    expect([together.isolated, together.threads, together.sharedMemory, together.sharedReason]).to.deep.equal([true, 2, true, '']);
    expect(apart.codes.length).to.be.above(1000);
    expect(apart.codes).to.equal(together.codes);
  });
});

describe('WASM backend with relaxed SIMD', () => {
  it('is taken where it is asked for: as the oracle, the same on two threads', async () => {
    expect(await checkRelaxed()).to.deep.equal({ relaxed: true, threads: 2 });
  });
});

describe('WASM backend under a Content-Security-Policy', () => {
  it("with 'wasm-unsafe-eval' it has its threads", async () => {
    const { threads, error, reason } = await probe("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'");
    expect([threads, error, reason]).to.deep.equal([2, '', '']);
  });

  it("without it the error names what is missing", async () => {
    const { error, hint } = await probe("default-src 'none'; script-src 'self'");
    expect(error).to.match(/^BackendError: .*Content-Security-Policy/);
    expect(hint).to.contain("'wasm-unsafe-eval'");
  });

  it('without workers it has one thread, and says why', async () => {
    const { threads, error, reason } = await probe("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'");
    expect([threads, error]).to.deep.equal([1, '']);
    expect(reason).to.match(/^WASM worker: /);
  });
});
