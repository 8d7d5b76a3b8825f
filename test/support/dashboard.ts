/** What the tests of the dashboard's elements share: packs, mounting, waiting, axe. */
import { assert } from '@esm-bundle/chai';
import type { LitElement } from 'lit';
// A script of the old kind: it leaves `axe` on the page.
import 'axe-core';
import type Axe from 'axe-core';
import { openPack, type Pack } from '../../engine/pack/reader.js';
import type { WritePackOptions } from '../../engine/pack/writer.js';
import { packInMemory } from './small-pack.js';

const { axe } = globalThis as unknown as { axe: typeof Axe };

const packs = new Map<string, Promise<Pack>>();

/** A synthetic pack, open; the same one for the same name. */
export function testPack(features: number, name = String(features), extra: Partial<WritePackOptions> = {}): Promise<Pack> {
  let pack = packs.get(name);
  if (pack === undefined) packs.set(name, (pack = packInMemory({ features }, extra).then((files) => openPack(files))));
  return pack;
}

/** Puts an element into the page, at a width, and waits until it is drawn. */
export async function mount<T extends LitElement>(tag: string, properties: Partial<T> & Record<string, unknown> = {}, { width = 900 } = {}): Promise<T> {
  const box = document.createElement('div');
  box.className = 'test-box';
  box.style.inlineSize = `${width}px`;
  const element = document.createElement(tag) as T;
  Object.assign(element, properties);
  box.append(element);
  document.body.append(box);
  await element.updateComplete;
  return element;
}

/** Takes every mounted element away. */
export function unmountAll(): void {
  for (const box of document.querySelectorAll('.test-box')) box.remove();
}

/** Waits until the condition holds, and gives its value. */
export async function until<T>(what: string, condition: () => T | null | undefined | false, milliseconds = 10_000): Promise<T> {
  const end = performance.now() + milliseconds;
  for (;;) {
    const value = condition();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Two frames: observers have told, and Lit has drawn. */
export async function settled(...elements: LitElement[]): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
  for (const element of elements) await element.updateComplete;
}

/** The element's shadow root. */
export const inside = (element: Element): ShadowRoot => element.shadowRoot as ShadowRoot;

export function press(target: EventTarget, key: string, modifiers: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, composed: true, cancelable: true, ...modifiers });
  target.dispatchEvent(event);
  return event;
}

/** axe finds nothing. `page-has-heading-one` and landmarks are the page's business. */
export async function assertAccessible(element: Element): Promise<void> {
  const { violations } = await axe.run(element, { rules: { region: { enabled: false }, 'page-has-heading-one': { enabled: false } } });
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`).join(' | ')}`), []);
}
