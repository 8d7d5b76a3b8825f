/** The predictions that one SAE on its data can answer for: T1 to T3, T11 to T14, T16. The rules are in claims.ts. */
import type { ProposedDirection } from './anatomy-reports.js';
import type { DyingEvidence } from './evidence.js';
import type { PredictionResult } from './predictions.js';
import { quartiles } from './rare-direction.js';
import { above, below, medianOf, missing, num, outcomeOf, result, rowsToTell, whole, within } from './verdict-rules.js';

type Rule = (evidence: DyingEvidence) => PredictionResult;

const NO_RARE = 'No feature is rare here: none that fired did so on less than the edge of the rows.';

export const t1: Rule = ({ directions }) => {
  if (directions === null) return missing('T1', 'The instrument sae/rare-directions did not run.');
  if (directions.rare.features === 0) return missing('T1', NO_RARE);
  const of = (name: ProposedDirection['name']): ReturnType<typeof whole> => whole(directions.proposed.find((one) => one.name === name)?.cosine);
  const [closed, mean, top, random] = [of('closed_form'), of('minus_mean'), of('top_component'), of('random')];
  if (closed === null || mean === null || random === null) return missing('T1', 'The closed form could not be had: the covariance is singular, or b_dec is at the mean.');
  const aside = Math.max(random.high, top?.high ?? 0);
  const supports = above(closed, mean.high) && above(closed, aside);
  const refutes = below(closed, mean.low) || below(closed, random.high);
  const figures = `cos(r̄, ·): closed form ${num(closed.value)}, −Σ⁻¹μ̃ ${num(of('inverse_covariance')?.value)}, −μ̃ ${num(mean.value)}, leading component ${num(top?.value)}, random up to ${num(random.high)}; ${directions.rare.features} rare features.`;
  const why = supports ? '' : below(closed, random.high) ? ' No more than by chance.' : refutes ? ' The mean alone says it better.' : above(closed, aside) ? ' Far above chance and the leading component, but not to be told from the mean alone.' : ' Not to be told from the leading component or chance.';
  return result('T1', { interval: closed, nullValue: mean.value, nullName: 'cos(r̄, −μ̃): the mean alone', outcome: outcomeOf(supports, refutes), reason: figures + why });
};

export const t2: Rule = ({ directions, tokens }) => {
  const fit = directions?.collapse.find(({ direction }) => direction === 'closed_form') ?? directions?.collapse.find(({ direction }) => direction === 'rbar');
  const rms = whole(fit?.rms);
  if (directions === null) return missing('T2', 'The instrument sae/rare-directions did not run.');
  if (fit === undefined || rms === null || fit.counting_rms === null) return missing('T2', NO_RARE);
  const limit = 1.5 * fit.counting_rms;
  const shuffled = fit.shuffled.low;
  const supports = below(rms, limit) && (shuffled === null || below(rms, shuffled));
  const refutes = above(rms, limit);
  return result('T2', {
    interval: rms,
    nullValue: fit.shuffled.median,
    nullName: 'offsets dealt out anew',
    outcome: outcomeOf(supports, refutes),
    reason: `Along ${fit.direction === 'rbar' ? 'r̄' : 'the closed form'}, ${fit.features} rare features scatter by ${num(rms.value)} decades about the curve; counting alone would leave ${num(fit.counting_rms)}, offsets dealt out anew ${num(fit.shuffled.median)}. Rank correlation with the curve ${num(fit.rank_correlation.value)}.${refutes && shuffled !== null && below(rms, shuffled) ? ' The curve says something of their densities, but direction is not all there is to them.' : ''}`,
    needs: rowsToTell(rms, limit, tokens),
  });
};

export const t3: Rule = ({ cofiring, tokens }) => {
  if (cofiring === null) return missing('T3', 'The instrument sae/rare-cofiring did not run.');
  const fano = whole(cofiring.fano);
  if (fano === null || cofiring.fano_null.high === null) return missing('T3', cofiring.features === 0 ? NO_RARE : 'Too few firings of rare features on these rows.');
  const nested = whole(cofiring.nestedness);
  const nestedNull = cofiring.nestedness_null.high;
  const limit = Math.max(2, cofiring.fano_null.high);
  const isNested = nested !== null && nestedNull !== null && above(nested, nestedNull);
  const supports = above(fano, limit) && isNested;
  const refutes = below(fano, cofiring.fano_null.high);
  return result('T3', {
    interval: fano,
    nullValue: cofiring.fano_null.median,
    nullName: 'firings dealt out anew',
    outcome: outcomeOf(supports, refutes),
    reason: `${cofiring.firings} firings of ${cofiring.features} rare features; at most ${num(100 * (cofiring.max_share ?? 0), 2)} % of them on one token (by chance ${num(100 * (cofiring.max_share_null.median ?? 0), 2)} %). Overlap of firing sets ${num(nested?.value)}, by chance ${num(cofiring.nestedness_null.median)}, over ${cofiring.pairs} pairs.`,
    needs: rowsToTell(fano, limit, tokens),
  });
};

export const t11: Rule = ({ directions }) => {
  if (directions === null) return missing('T11', 'The instrument sae/rare-directions did not run.');
  const { rare, live } = directions;
  const de = medianOf(rare.de, rare.features);
  if (de === null) return missing('T11', NO_RARE);
  if (live.de === null || !(live.de.median > 0)) return missing('T11', 'There are no live features with a D/E above 0 to compare with.');
  const scale = live.de.median;
  const supports = within(de, -0.1 * scale, 0.1 * scale);
  const refutes = above(de, 0.25 * scale) || below(de, -0.25 * scale);
  return result('T11', {
    interval: de,
    nullValue: scale,
    nullName: 'median D/E of live features',
    outcome: outcomeOf(supports, refutes),
    reason: `D/E of ${rare.features} rare features: quartiles ${num(rare.de?.q25)}, ${num(rare.de?.median)}, ${num(rare.de?.q75)}; of ${live.features} live ones ${num(live.de.q25)}, ${num(scale)}, ${num(live.de.q75)}.`,
  });
};

export const t12: Rule = ({ gradients, tokens }) => {
  if (gradients === null) return missing('T12', 'The instrument sae/gradient-anatomy did not run.');
  if (gradients.lambda_from === 'none') return missing('T12', 'No penalty reaches the encoder of this architecture, so that it has no share.');
  if (gradients.lambda === null) return missing('T12', 'The coefficient of the penalty is not known.');
  const share = medianOf(gradients.rare.share, gradients.rare.features);
  const falling = whole(gradients.share_density);
  if (share === null) return missing('T12', NO_RARE);
  const cosine = gradients.rare.cos_encoder_decoder?.median ?? null;
  const supports = above(share, 0.5) && falling !== null && below(falling, 0) && cosine !== null && Math.abs(cosine) <= 0.25;
  const refutes = below(share, 0.5);
  return result('T12', {
    interval: share,
    nullValue: gradients.live.share?.median ?? null,
    nullName: 'live features',
    outcome: outcomeOf(supports, refutes),
    reason: `λ = ${num(gradients.lambda)} (${gradients.lambda_from}). Rank correlation of the share with density ${num(gradients.share_density.value)}; median cosine of the encoder’s gradient with the decoder’s ${num(cosine)} (chance: ±${num(2 * gradients.cos_null, 2)}).${above(share, 0.5) && !supports ? ` The share is as predicted; ${cosine !== null && Math.abs(cosine) > 0.25 ? 'the two gradients are not unrelated' : 'it does not grow as features get rarer'}.` : ''}`,
    needs: above(share, 0.5) ? null : rowsToTell(share, 0.5, tokens),
  });
};

export const t13: Rule = ({ conspiracy, tokens }) => {
  if (conspiracy === null) return missing('T13', 'The instrument sae/conspiracy did not run.');
  const per = whole(conspiracy.per_mass);
  const live = conspiracy.live.per_mass.median;
  if (per === null) return missing('T13', conspiracy.features === 0 ? NO_RARE : 'The rare features do not fire on the rows that are held.');
  if (live === null || !(live > 0)) return missing('T13', 'There are no live features of the same mass to compare with.');
  const limit = live / 4;
  return result('T13', {
    interval: per,
    nullValue: live,
    nullName: 'live features of the same mass',
    outcome: outcomeOf(below(per, limit), above(per, limit)),
    reason: `Without the ${conspiracy.firing} rare features that fire, MSE changes by ${num(conspiracy.ablation.value)} of ${num(conspiracy.mse)}; one by one, by ${num(conspiracy.alone.value)} in all; their interaction is ${num(conspiracy.interaction.value)} (with decoder rows dealt out anew ${num(conspiracy.shuffled.interaction.median)}).`,
    needs: rowsToTell(per, limit, tokens),
  });
};

export const t14: Rule = ({ hyperplane }) => {
  const spectrum = hyperplane?.spectra.find(({ matrix }) => matrix === 'centred_rows');
  if (spectrum === undefined) return missing('T14', 'The instrument sae/hyperplane did not run.');
  const { cosines, largest, participation, random } = spectrum;
  const first = cosines[0] ?? 0;
  const supports = first < 0.5 && largest.cosine <= 0.7 && participation >= 3;
  const refutes = largest.cosine > 0.9;
  return result('T14', {
    value: first,
    nullValue: random.largest[0],
    nullName: 'largest of a random direction',
    outcome: outcomeOf(supports, refutes),
    reason: `The largest cosine of w* with a principal component is ${num(largest.cosine)}, with number ${largest.index + 1}; about ${num(participation, 2)} of ${spectrum.rank} components take part (a random direction: ${num(random.participation[0], 2)}).`,
  });
};

export const t16: Rule = ({ hyperplane }) => {
  if (hyperplane === null) return missing('T16', 'The instrument sae/hyperplane did not run.');
  const { profile, depth } = hyperplane;
  const ratios = profile.points.filter(({ psi, probability }) => psi > 0 && probability > 0).map(({ psi, probability }) => Math.log10(probability / psi));
  const beyond = profile.points.length - ratios.length;
  const ratio = medianOf(quartiles(ratios), ratios.length);
  if (ratio === null) return missing('T16', profile.points.length === 0 ? NO_RARE : `At the offsets of all ${beyond} rare features some direction fires on no row at all: ψ is below what ${hyperplane.rows} rows can show.`);
  return result('T16', {
    interval: ratio,
    nullValue: null,
    outcome: outcomeOf(below(ratio, 1), above(ratio, 2)),
    reason: `Of ${ratios.length} rare features; ${beyond} more are where some direction fires on no row. b_dec has depth ${num(depth.depth)}: no feature without a bias can fire less.`,
  });
};
