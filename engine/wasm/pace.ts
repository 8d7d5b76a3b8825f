/** Where the WASM side finds its pace: it is everybody's (engine/pace.ts). */
export { Pace } from '../pace.js';
