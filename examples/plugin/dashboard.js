/** All that a page does to show a plugin's panel: register it. Before or after the dashboard is there, it finds its place. */
import { registry } from '../../dist/saekit.js';
import positionProfile from './plugin.js';

registry.register(positionProfile);
