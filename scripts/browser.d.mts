/** Path of a Chromium-family browser, or null. */
export function findBrowser(): string | null;
export const BROWSER_FLAGS: string[];
