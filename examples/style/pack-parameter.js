/** `?pack=URL` in the address shows another pack than the one the page was written for. */
const pack = new URLSearchParams(location.search).get('pack');
if (pack !== null && pack !== '') {
  for (const element of document.querySelectorAll('sae-pack-view, sae-feature-card, sae-density-histogram')) element.setAttribute('src', pack);
}
