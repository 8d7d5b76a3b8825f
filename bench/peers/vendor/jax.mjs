/** See tfjs.mjs. */
export * from '@jax-js/jax';
