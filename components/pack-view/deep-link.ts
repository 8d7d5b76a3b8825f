/**
 * `#feature=61` in the page's address: read, written, followed. Other keys of
 * the hash stay as they are. Where a page may not touch its address (a sandboxed
 * frame, a blob: page) the link simply does not move.
 */

/** The feature that a hash names, or null. */
export function featureOfHash(hash: string, features: number): number | null {
  const value = new URLSearchParams(hash.replace(/^#/, '')).get('feature');
  if (value === null || !/^\d{1,9}$/.test(value)) return null;
  const feature = Number(value);
  return feature < features ? feature : null;
}

/** The hash that names the feature; without one, what is left of the hash. */
export function hashOfFeature(hash: string, feature: number | null): string {
  const keys = new URLSearchParams(hash.replace(/^#/, ''));
  if (feature === null) keys.delete('feature');
  else keys.set('feature', String(feature));
  const text = keys.toString().replace(/=(?=&|$)/g, '');
  return text === '' ? '' : `#${text}`;
}

/**
 * Writes the feature into the address.
 * @param push true makes a step that the Back button takes back
 */
export function writeHash(feature: number | null, push: boolean): void {
  const hash = hashOfFeature(location.hash, feature);
  if (hash === location.hash) return;
  try {
    const url = hash === '' ? location.pathname + location.search : hash;
    if (push) history.pushState(history.state, '', url);
    else history.replaceState(history.state, '', url);
  } catch {
    // Not allowed here, or too often in a second (Safari): the page works without.
  }
}
