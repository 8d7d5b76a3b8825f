/** Defines `<sae-training-lab>`, and the monitor that it holds; importing it is the only side effect of this folder. */
import { defineElement } from '../internal/element.js';
import '../training-monitor/define.js';
import { SaeTrainingLab } from './training-lab.js';

defineElement('sae-training-lab', SaeTrainingLab);

declare global {
  interface HTMLElementTagNameMap {
    'sae-training-lab': SaeTrainingLab;
  }
}
