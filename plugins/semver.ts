/**
 * The part of Semantic Versioning 2.0.0 that a registry needs: the order of
 * versions, and whether one lies in a range of the forms `1.2.3`, `^1.2.3`,
 * `~1.2.3`, `*`; minor and patch may be left out (`^1`, `~1.2`, `1.2`). The
 * meaning of each is npm's.
 */

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** `beta.1` as ['beta', 1]; empty for a release. */
  readonly prerelease: readonly (string | number)[];
}

const NUMBER = '(0|[1-9]\\d*)';
const IDENTIFIERS = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const VERSION = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`);
const RANGE = new RegExp(`^([\\^~]?)${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-(${IDENTIFIERS}))?(?:\\+${IDENTIFIERS})?$`);

/** @returns null when the text is no version. */
export function parseVersion(text: string): Version | null {
  const match = VERSION.exec(text);
  if (match === null) return null;
  const prerelease = identifiers(match[4]);
  return prerelease === null ? null : { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]), prerelease };
}

/** Numbers become numbers; null where one has a leading zero, which the specification forbids. */
function identifiers(text: string | undefined): (string | number)[] | null {
  if (text === undefined) return [];
  const parts = text.split('.');
  if (parts.some((part) => /^0\d+$/.test(part))) return null;
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Negative when a precedes b, 0 when neither does (build metadata has no say), positive otherwise. */
export function compareVersions(a: Version, b: Version): number {
  const numbers = a.major - b.major || a.minor - b.minor || a.patch - b.patch;
  if (numbers !== 0) return numbers;
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return b.prerelease.length - a.prerelease.length;
  for (let i = 0; i < Math.max(a.prerelease.length, b.prerelease.length); i++) {
    const [left, right] = [a.prerelease[i], b.prerelease[i]];
    if (left === undefined) return -1;
    if (right === undefined) return 1;
    if (left === right) continue;
    if (typeof left === 'number') return typeof right === 'number' ? left - right : -1;
    return typeof right === 'number' || left > right ? 1 : -1;
  }
  return 0;
}

/** @returns whether the range admits the version, null when the range is not of a form that is known. */
export function satisfies(version: Version, range: string): boolean | null {
  if (range === '*') return version.prerelease.length === 0;
  const match = RANGE.exec(range);
  if (match === null) return null;
  const [, operator, major, minor, patch, tag] = match;
  const prerelease = identifiers(tag);
  if (prerelease === null || (prerelease.length > 0 && patch === undefined)) return null;
  const low: Version = { major: Number(major), minor: Number(minor ?? 0), patch: Number(patch ?? 0), prerelease };
  // npm: a prerelease is admitted only by a range that names one of the same major.minor.patch.
  const sameRelease = version.major === low.major && version.minor === low.minor && version.patch === low.patch;
  if (version.prerelease.length > 0 && (prerelease.length === 0 || !sameRelease)) return false;
  if (operator === '' && patch !== undefined) return compareVersions(version, low) === 0;
  if (compareVersions(version, low) < 0) return false;
  if (version.major !== low.major) return false;
  if (operator === '^') {
    if (low.major > 0 || minor === undefined) return true;
    return version.minor === low.minor && (low.minor > 0 || patch === undefined || version.patch === low.patch);
  }
  return minor === undefined || version.minor === low.minor;
}
