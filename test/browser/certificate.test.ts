/** <sae-certificate>: one feature's cause with its evidence, and all causes. */
import { assert } from '@esm-bundle/chai';
import { emulateMedia } from '@web/test-runner-commands';
import '../../components/certificate/define.js';
import { CAUSE_WORDS, type SaeCertificate } from '../../components/certificate/certificate.js';
import type { SaeSelectEvent } from '../../components/internal/events.js';
import { CAUSES } from '../../engine/dying/certificate.js';
import type { Pack } from '../../engine/pack/reader.js';
import { assertAccessible, inside, mount, settled, unmountAll, until } from '../support/dashboard.js';

const CERTIFICATES = [null, 'pushed-by-l1', 'born-dead-relu', 'pushed-by-l1', null, 'a-cause-of-tomorrow'];
const EVIDENCE = [null, 'R + lambda = <b>0.12</b> [0.1, 0.2]', 'z <= 0 on 400,000 rows', 'R + lambda = 0.3', null, 'of a newer saekit'];
const columns = ['certificate', 'certificate_evidence'];
const packOf = (names = columns): Pack =>
  ({
    name: 'packs/x',
    manifest: { saekit: '0', features: 6, tables: [{ name: 'features', columns: names.map((name) => ({ name })) }] },
    table: () => Promise.resolve({ rows: 6, columns: { certificate: CERTIFICATES, certificate_evidence: EVIDENCE } }),
  }) as unknown as Pack;

describe('<sae-certificate>', () => {
  afterEach(unmountAll);

  async function shown(properties: Partial<SaeCertificate> = {}, width = 500): Promise<SaeCertificate> {
    const element = await mount<SaeCertificate>('sae-certificate', { pack: packOf(), loading: 'eager', ...properties }, { width });
    await until('the content', () => inside(element).querySelector('.frame, [part=error]'));
    await settled(element);
    return element;
  }
  const text = (element: Node | null | undefined): string => (element?.textContent ?? '').replace(/\s+/g, ' ').trim();

  it('tells a cause in words, with its evidence as text', async () => {
    const element = await shown({ feature: 1 });
    assert.equal(text(inside(element).querySelector('[part=cause]')), 'Feature 1 pushed by L1');
    assert.include(text(inside(element)), CAUSE_WORDS['pushed-by-l1']);
    assert.equal(text(inside(element).querySelector('[part=evidence]')), EVIDENCE[1]);
    assert.isNull(inside(element).querySelector('b'));
    element.feature = 0;
    await settled(element);
    assert.include(text(inside(element)), CAUSE_WORDS.alive);
    element.feature = 5;
    await settled(element);
    assert.include(text(inside(element)), 'a cause of tomorrow');
    element.feature = 6;
    await settled(element);
    assert.include(text(inside(element)), 'There is no feature 6');
  });

  it('has words for every cause', () => {
    assert.deepEqual(Object.keys(CAUSE_WORDS).sort(), [...CAUSES].sort());
  });

  it('without a feature counts the causes; a cause selects its features', async () => {
    const element = await shown();
    const rows = [...inside(element).querySelectorAll('tbody tr')].map((row) => [text(row.querySelector('button')), text(row.querySelector('td'))]);
    assert.deepEqual(rows, [['alive', '2'], ['born dead (ReLU)', '1'], ['pushed by L1', '2']]);
    let chosen: SaeSelectEvent | null = null;
    element.addEventListener('sae-select', (event) => (chosen = event as SaeSelectEvent));
    [...inside(element).querySelectorAll('button')].at(-1)?.click();
    assert.deepEqual((chosen as SaeSelectEvent | null)?.features, [1, 3]);
  });

  it('says what a pack without causes lacks', async () => {
    const element = await shown({ pack: packOf(['feature']), feature: 0 });
    assert.include(text(inside(element).querySelector('[part=error]')), 'saekit dying writes them');
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`is accessible, ${colorScheme}`, async () => {
      await emulateMedia({ colorScheme });
      await assertAccessible(await shown());
      unmountAll();
      await assertAccessible(await shown({ feature: 2 }, 320));
    });
  }
});
