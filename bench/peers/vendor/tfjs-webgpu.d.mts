export { core } from './tfjs.mjs';
