/**
 * Ties the figures of the article together, and fills in the numbers of its text:
 * each is read from the manifest of the pack that it is about, so that a pack of another run changes the text.
 */

const PACKS = ['zero', 'mean', 'frozen', 'median', 'reference'];
/** Figures of the run that the article follows: they share a step and a choice of features. */
const figures = [...document.querySelectorAll('[src="dying/zero/"]')];

document.addEventListener('sae-scrub', ({ step, target }) => {
  if (!figures.includes(target)) return;
  for (const figure of figures) if (figure !== target && 'step' in figure) figure.step = step;
});
document.addEventListener('sae-select', ({ features, target }) => {
  if (!figures.includes(target)) return;
  for (const figure of figures) if (figure !== target && 'features' in figure) figure.features = features;
});

const manifests = new Map(await Promise.all(PACKS.map(async (name) => [name, await manifestOf(name)])));
for (const place of document.querySelectorAll('data[data-pack]')) {
  const { pack, plugin, path, digits } = place.dataset;
  const value = figure(pack, plugin, path);
  if (value === undefined) continue;
  place.value = String(value);
  place.textContent = text(value, digits);
}

/** @returns the manifest, or null where there is none: the text keeps what it was written with */
async function manifestOf(name) {
  try {
    const response = await fetch(new URL(`dying/${name}/manifest.json`, import.meta.url));
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** A figure of an analysis, as `rare.offset_cosine`; undefined where the pack does not have it. A path may end in several names with + between, whose figures are added. */
function figure(pack, plugin, path) {
  const summary = manifests.get(pack)?.plugins.find(({ id }) => id === plugin)?.summary;
  const steps = path.split('.');
  const last = steps.pop();
  const owner = steps.reduce((at, step) => at?.[step], summary);
  const values = last.split('+').map((name) => owner?.[name]);
  return values.every((value) => typeof value === 'number') ? values.reduce((sum, value) => sum + value, 0) : undefined;
}

function text(value, digits) {
  if (digits === undefined) return value.toLocaleString('en');
  const rounded = value.toFixed(Number(digits));
  return rounded.replace('-', '−');
}
