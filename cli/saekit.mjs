#!/usr/bin/env node
/**
 * The `saekit` program. In an installed package it starts the bundle; in a
 * clone of the repository it first installs and builds what is missing or older
 * than its sources, so that `npx saekit …` works right after `git clone`.
 */
import { existsSync } from 'node:fs';

const setup = new URL('../scripts/setup.mjs', import.meta.url);
if (existsSync(setup)) {
  try {
    const { installPackages, build } = await import(setup.href);
    installPackages();
    build();
  } catch (error) {
    console.error(`saekit: set-up failed: ${error.message}`);
    process.exit(1);
  }
}
await import('../dist/cli.js');
