/** The version of saekit, kept equal to package.json by test/node/package.test.ts. */
export const VERSION = '0.1.0';
