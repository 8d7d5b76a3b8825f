/** The colours of theme.ts, as Chromium computes them: contrast in both schemes, the heat scale, classes under dichromacy. */
import { assert } from '@esm-bundle/chai';
import { html } from 'lit';
import { SaeElement } from '../../components/internal/element.js';
import { FEATURE_CLASSES } from '../../engine/pack/schema.js';

class ThemeProbe extends SaeElement {
  protected override render(): unknown {
    return html`<i></i>`;
  }
}
customElements.define('test-theme-probe', ThemeProbe);

type Rgb = readonly [number, number, number];

/** sRGB channels 0 to 1 of any CSS colour. */
function channels(color: string): Rgb {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
  return [r / 255, g / 255, b / 255];
}
const linear = (v: number): number => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const toLinear = ([r, g, b]: Rgb): Rgb => [linear(r), linear(g), linear(b)];
const luminance = (color: Rgb): number => {
  const [r, g, b] = toLinear(color);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
/** WCAG 2 contrast ratio. */
function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}
/** OKLab of linear sRGB (Ottosson 2020). */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}
const distance = (a: Rgb, b: Rgb): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
/** Full dichromacy on linear sRGB (Machado, Oliveira and Fernandes 2009, severity 1). */
const DICHROMACY: Readonly<Record<string, readonly [Rgb, Rgb, Rgb]>> = {
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const seenBy = (matrix: readonly [Rgb, Rgb, Rgb], color: Rgb): Rgb => {
  const v = toLinear(color);
  return matrix.map((row) => Math.max(0, Math.min(1, row[0] * v[0] + row[1] * v[1] + row[2] * v[2]))) as unknown as Rgb;
};

for (const scheme of ['light', 'dark']) {
  describe(`theme, ${scheme}`, () => {
    let probe: ThemeProbe;
    let pen: HTMLElement;
    before(async () => {
      probe = document.createElement('test-theme-probe') as ThemeProbe;
      probe.style.colorScheme = scheme;
      document.body.append(probe);
      await probe.updateComplete;
      pen = probe.renderRoot.querySelector('i') as HTMLElement;
    });
    after(() => probe.remove());
    const color = (css: string): Rgb => {
      pen.style.color = css;
      return channels(getComputedStyle(pen).color);
    };

    it('text has 4.5:1 on every surface', () => {
      for (const text of ['--_text', '--_muted', '--_error']) {
        for (const surface of ['--_surface', '--_sunken', '--_raised']) assert.isAtLeast(contrast(color(`var(${text})`), color(`var(${surface})`)), 4.5, `${text} on ${surface}`);
      }
    });

    it('marks and class colours have 3:1 on the surface, and 4.5:1 where they are text', () => {
      for (const mark of ['--_accent', '--_focus']) assert.isAtLeast(contrast(color(`var(${mark})`), color('var(--_surface)')), 3, mark);
      for (const name of FEATURE_CLASSES) assert.isAtLeast(contrast(color(`var(--_${name})`), color('var(--_surface)')), 4.5, name);
    });

    it('text has 4.5:1 on every step of the heat scale, and the steps are even', () => {
      const steps = Array.from({ length: 11 }, (_, i) => color(`color-mix(in oklab, var(--_heat) ${i * 10}%, var(--_surface))`));
      for (const step of steps) assert.isAtLeast(contrast(color('var(--_text)'), step), 4.5);
      const lightness = steps.map((step) => oklab(toLinear(step))[0]);
      const whole = (lightness[10] as number) - (lightness[0] as number);
      assert.isAbove(Math.abs(whole), 0.2);
      for (let i = 1; i < 11; i++) assert.closeTo(((lightness[i] as number) - (lightness[i - 1] as number)) / whole, 0.1, 0.02);
    });

    it('the classes are apart, each from each, for every kind of colour vision', () => {
      const kinds = { ...DICHROMACY, trichromacy: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const };
      for (const [kind, matrix] of Object.entries(kinds)) {
        const labs = FEATURE_CLASSES.map((name) => oklab(seenBy(matrix, color(`var(--_${name})`))));
        labs.forEach((a, i) => labs.slice(0, i).forEach((b, j) => assert.isAbove(distance(a, b), 0.09, `${FEATURE_CLASSES[j]} and ${FEATURE_CLASSES[i]}, ${kind}`)));
      }
    });

    it('a page changes a colour anywhere above', async () => {
      document.body.style.setProperty('--sae-accent', 'rgb(1, 2, 3)');
      assert.deepEqual(color('var(--_accent)'), [1 / 255, 2 / 255, 3 / 255]);
      document.body.style.removeProperty('--sae-accent');
    });
  });
}
