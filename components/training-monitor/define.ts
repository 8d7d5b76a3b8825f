/** Defines `<sae-training-monitor>`; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import { SaeTrainingMonitor } from './training-monitor.js';

defineElement('sae-training-monitor', SaeTrainingMonitor);

declare global {
  interface HTMLElementTagNameMap {
    'sae-training-monitor': SaeTrainingMonitor;
  }
}
