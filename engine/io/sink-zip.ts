/**
 * A pack as a zip file, for pages: `new Blob([sink.bytes()])` is what a download
 * link offers. The tables are compressed already, so the zip only stores them.
 */
import { Zip, ZipPassThrough } from 'fflate';
import { UsageError } from '../errors.js';
import { checkPackPath, joinBytes, SinkState, type PackSink } from './sink.js';

/** Zip has no time before 1980; a fixed one keeps equal packs equal. */
const TIME = new Date(1980, 0, 1);

/** @returns a sink whose `bytes()` gives the zip after `commit`; @throws UsageError before it */
export function zipSink(name = 'pack.zip'): PackSink & { bytes(): Uint8Array } {
  const state = new SinkState(name);
  const files = new Map<string, Uint8Array[]>();
  let zip: Uint8Array | null = null;
  return {
    name,
    async write(path, bytes) {
      state.requireOpen();
      checkPackPath(path);
      const list = files.get(path);
      if (list === undefined) files.set(path, [bytes]);
      else list.push(bytes);
    },
    async commit() {
      state.close('committed');
      const pieces: Uint8Array[] = [];
      const archive = new Zip((error, piece) => {
        if (error) throw error;
        pieces.push(piece);
      });
      for (const [path, list] of files) {
        const entry = new ZipPassThrough(path);
        entry.mtime = TIME;
        archive.add(entry);
        list.forEach((bytes, i) => entry.push(bytes, i === list.length - 1));
      }
      archive.end();
      files.clear();
      zip = joinBytes(pieces);
    },
    async abort() {
      if (state.close('aborted')) files.clear();
    },
    bytes() {
      if (zip === null) throw new UsageError(`${name}: the pack is not committed`);
      return zip;
    },
  };
}
