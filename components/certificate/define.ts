/** Defines `<sae-certificate>`. */
import { defineElement } from '../internal/element.js';
import { SaeCertificate } from './certificate.js';

defineElement('sae-certificate', SaeCertificate);

declare global {
  interface HTMLElementTagNameMap {
    'sae-certificate': SaeCertificate;
  }
}
