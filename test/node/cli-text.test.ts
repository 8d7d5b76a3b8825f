/** What the program writes, piece by piece: numbers, tokens, columns, strips, cards, findings, progress. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cardText, type CardTextOptions } from '../../cli/card-text.js';
import { flow, paragraph, takeEnd, takeStart, textWidth } from '../../cli/columns.js';
import { findingsText } from '../../cli/commands/doctor.js';
import { nameFlag, setting, typedSettings, checkWithout, whole, wholeList } from '../../cli/options.js';
import { progressDisplay } from '../../cli/progress.js';
import { strips } from '../../cli/strips.js';
import { bytes, duration, figure, fixedFigure, listedToken, plural, signed, thousands, visibleToken } from '../../cli/text.js';
import { FormatError, UsageError } from '../../engine/errors.js';
import type { FeatureCard, FeatureExample } from '../../engine/pack/schema.js';
import { builtins } from '../../plugins/index.js';

const HOSTILE = ['</script>', '<img src=x onerror=alert(1)>', '\u202ebidi\u2069', '\ud800', '\udfff', '\0', '\n', '\r\n', '\t', '\x1b[31mred', '\x9b2J', '\u200b', '\ufeff', '\u0301', '', ' ', '   ', '日本', '👩‍👩‍👧', '\u00a0', '\u{e0041}', 'z̵̡̧͎̄́'];

describe('numbers', () => {
  it('are written so that they can be read and pasted', () => {
    assert.deepEqual([0, 999, 1000, 406395, 1234567].map(thousands), ['0', '999', '1,000', '406,395', '1,234,567']);
    assert.deepEqual([0, 0.12345678, -0.12, 1, 123456.7, 1e6, 7.4e-6, -1e-9, null].map((value) => figure(value)), ['0', '0.1235', '-0.12', '1', '123500', '1e6', '7.4e-6', '-1e-9', '–']);
    assert.deepEqual([4.7, 0.348, 12.34, 0, 1e-7].map((value) => fixedFigure(value, 3)), ['4.70', '0.348', '12.3', '0.00', '1e-7']);
    assert.deepEqual([1.2, -0.05, 0.001, -0.001, 0].map((value) => signed(value)), ['+1.20', '-0.05', '0.00', '0.00', '0.00']);
    assert.deepEqual([0.04, 9.94, 9.96, 59.4, 59.6, 3599.4, 3600, 7199].map(duration), ['0.0 s', '9.9 s', '10 s', '59 s', '1 min 0 s', '59 min 59 s', '1 h 0 min', '2 h 0 min']);
    assert.deepEqual([0, 1023, 1024, 1536, 134217728, 2147483647].map(bytes), ['0 B', '1023 B', '1 KiB', '1.5 KiB', '128 MiB', '2 GiB']);
    assert.deepEqual([plural(1, 'row'), plural(2000, 'row')], ['1 row', '2,000 rows']);
  });

  it('figures keep four digits of any number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), (value) => {
        assert.ok(Math.abs(Number(figure(value)) - value) <= 5.001e-4 * Math.abs(value));
      }),
    );
  });
});

/** Nothing that moves a cursor, turns the direction of writing, or cannot be seen. */
const HARMLESS = /^(?:[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]|[\ufe0e\ufe0f])*$/u;

describe('tokens', () => {
  it('are visible and harmless', () => {
    assert.deepEqual(['\n', '\t', '\0', '\x1b[31m', '\x7f', '\u202e', '\ud800', '', ' a', '\u0301', '❤\ufe0f', '\x85'].map(visibleToken), ['⏎', '⇥', '␀', '␛[31m', '␡', '‹U+202E›', '‹U+D800›', '∅', ' a', '◌\u0301', '❤\ufe0f', '‹U+0085›']);
    assert.deepEqual([' mom', 'a b ', '  '].map(listedToken), ['␣mom', 'a b␣', '␣␣']);
    for (const token of HOSTILE) assert.match(visibleToken(token), HARMLESS);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (token) => HARMLESS.test(visibleToken(token)) && visibleToken(token) !== ''));
  });

  it('take the columns that a terminal gives them', () => {
    assert.deepEqual(['abc', '日本', 'é', 'e\u0301', '👍', '⏎', ''].map(textWidth), [3, 4, 1, 1, 2, 1, 0]);
    assert.deepEqual([takeEnd('ab日', 2), takeEnd('ab日', 3), takeEnd('ab日', 1), takeEnd('ae\u0301x', 1), takeEnd('abc', 9)], ['日', 'b日', '', 'x', 'abc']);
    assert.deepEqual([takeStart('日ab', 2), takeStart('日ab', 1), takeStart('e\u0301x', 1), takeStart('abc', 9)], ['日', '', 'e\u0301', 'abc']);
  });

  it('are cut to whole characters, and never wider than asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (raw, width) => {
        const text = visibleToken(raw);
        const [start, end] = [takeStart(text, width), takeEnd(text, width)];
        return text.startsWith(start) && text.endsWith(end) && textWidth(start) <= width && textWidth(end) <= width;
      }),
    );
  });
});

describe('lines', () => {
  it('break between pieces and stay under their label', () => {
    assert.equal(flow('name  ', ['aaa', 'bbb', 'ccc'], 14), 'name  aaa  bbb\n      ccc');
    assert.equal(flow('n ', ['a'.repeat(30), 'b'], 10), `n ${'a'.repeat(30)}\n  b`);
    assert.equal(flow('n ', [], 10), 'n');
    assert.equal(paragraph('- ', 'one two three', 9), '- one two\n  three');
  });
});

const example = (over: Partial<FeatureExample>): FeatureExample => ({
  group: 'top', interval: null, rank: 0, context: 3, position: 7, value: 2, start: 5, tokens: ['a', ' b', ' fire', ' c'], activations: [0, 1, 2, 0], firing: 2, ...over,
});
const plainStrip = { colour: false, width: 60, max: 2 };

describe('token strips', () => {
  it('have the firing tokens under each other, in brackets', () => {
    const lines = strips([example({}), example({ tokens: ['longer', ' left', ' x'], activations: [0, 0, 1], firing: 2, value: 0.5 })], plainStrip);
    assert.deepEqual(lines, ['     2.00          a b[ fire] c', '    0.500  longer left[ x]']);
  });

  it('shade by activation where there is colour, and only there', () => {
    const [line] = strips([example({})], { ...plainStrip, colour: true });
    assert.equal(line, '     2.00  a\x1b[48;5;216m\x1b[30m b\x1b[39m\x1b[49m\x1b[48;5;208m\x1b[30m[ fire]\x1b[39m\x1b[49m c');
    assert.ok(!strips([example({})], plainStrip)[0]!.includes('\x1b'));
  });

  it('say where they are when tokens have no text', () => {
    assert.deepEqual(strips([example({ tokens: ['·', '·', '·', '·'] })], plainStrip), ['     2.00  ··[·]·  context 3, position 7']);
  });

  it('are never wider than the line, whatever the tokens are', () => {
    const token = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 40 }));
    const one = fc.tuple(fc.array(token, { minLength: 1, maxLength: 17 }), fc.nat(16), fc.float({ min: Math.fround(1e-6), max: 100, noNaN: true })).map(([tokens, at, value]) => {
      const firing = at % tokens.length;
      return example({ tokens, activations: tokens.map((_, i) => (i === firing ? value : 0)), firing, value });
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), fc.integer({ min: 40, max: 120 }), (examples, width) => {
        const lines = strips(examples, { colour: false, width, max: 100 });
        lines.forEach((line) => {
          assert.match(line, HARMLESS);
          assert.ok(textWidth(line) <= width, `${textWidth(line)} of ${width}: ${line}`);
        });
      }),
    );
  });
});

const [live, dead] = (await Promise.all(
  ['live', 'dead'].map(async (name) => ({ source: { sae: 'sae', model: 'm', hook: null }, ...JSON.parse(await readFile(`test/fixtures/cards/${name}.json`, 'utf8')) }) as FeatureCard),
)) as [FeatureCard, FeatureCard];
const options: CardTextOptions = { colour: false, width: 80, examples: 5 };
const widest = (text: string): number => Math.max(...text.split('\n').map(textWidth));

describe('card', () => {
  it('of a live feature has every part, and fits', () => {
    for (const width of [40, 80, 120]) {
      const text = cardText(live, { ...options, width });
      for (const part of [`feature ${live.feature}  ${live.class}`, 'density', 'fires at', 'weights', 'activation, log', 'strongest', 'each tenth', 'promotes', 'suppresses', 'nearest']) assert.ok(text.includes(part), `${width}: ${part}\n${text}`);
      // The first line names the SAE, which may be long.
      assert.ok(widest(text.slice(text.indexOf('\n\n'))) <= width, text);
    }
    assert.ok(!cardText(live, { ...options, examples: 0 }).includes('strongest'));
    assert.ok(cardText(live, { ...options, colour: true }).includes('\x1b[48;5;'));
  });

  it('has a histogram in which every firing is seen and no column is lost', () => {
    const counts = [1, 0, 1000, 3, 0, 0, 1];
    const card = { ...live, histogram: { edges: counts.map((_, i) => 2 ** i).concat(128), counts } };
    const lines = cardText(card, options).split('\n');
    const axis = lines.findIndex((line) => /^ {10}1 +128$/.test(line));
    assert.equal(lines[axis - 1], '          ▁ █▁  ▁');
    assert.equal(lines[axis - 3], '            █');
    assert.match(lines[axis + 1]!, /the tallest column is 1,000 firings$/);
    // 100 bins in 28 columns: bins are added up from the right.
    const many = { ...live, histogram: { edges: Array.from({ length: 101 }, (_, i) => i + 1), counts: Array.from({ length: 100 }, () => 2) } };
    assert.match(cardText(many, { ...options, width: 40 }), / {10}█{25}\n/);
  });

  it('of a dead feature says so, and what density that leaves', () => {
    const text = cardText(dead, options);
    assert.match(text, /density {3}below \S+ at 95 %: {2}it never fired on [\d,]+ tokens/);
    for (const part of ['fires at', 'strongest', 'activation, log']) assert.ok(!text.includes(part));
  });

  it('of a pack without weights, logits and neighbours names what is missing', () => {
    const bare: FeatureCard = { ...live, bias: null, effective_bias: null, de_projection: null, de_cosine: null, encoder_norm: null, decoder_norm: null, logits: null, neighbours: [], examples: [], quantiles: {} };
    const text = cardText(bare, { ...options, missing: ['Logit weights (needs an unembedding matrix (--unembed))'] });
    assert.ok(!text.includes('weights   ') && !text.includes('promotes') && !text.includes('nearest'));
    assert.match(text, /not in this pack: Logit weights \(needs an/);
  });

  it('keeps hostile text from the terminal', () => {
    const tokens = [...HOSTILE];
    const logit = tokens.map((token, id) => ({ id, token, logit: 0.1 }));
    const card: FeatureCard = {
      ...live,
      examples: [example({ tokens, activations: tokens.map(() => 1), firing: 3 })],
      logits: { plain: { top: logit, bottom: logit, histogram: { edges: [], counts: [] } }, normed: null },
      source: { sae: 'a\x1b]0;title\x07', model: '\u202e', hook: null },
    };
    for (const line of cardText(card, options).split('\n')) assert.match(line, HARMLESS);
  });
});

describe('options', () => {
  it('are parsed or refused with what was expected', () => {
    assert.deepEqual([whole(0)('0'), whole(1, 5)('5'), wholeList('1, 2,30')], [0, 5, [1, 2, 30]]);
    for (const bad of ['', '-1', '1.5', '1e3', 'x', '0x10', '9007199254740993']) assert.throws(() => whole(0)(bad), /whole number/, bad);
    assert.throws(() => whole(1, 5)('6'), /from 1 to 5/);
    for (const bad of ['', '1,,2', 'a', '1;2']) assert.throws(() => wholeList(bad), /joined by commas/, bad);
    assert.throws(() => setting('sae/examples=3'), /PLUGIN.SETTING=VALUE/);
  });

  it('--set takes the type that the plugin declares', () => {
    const plugin = { ...builtins[0]!, id: 'a/b', settings: { name: { type: 'string', default: '', description: 'd' }, on: { type: 'boolean', default: false, description: 'd' }, n: { type: 'number', default: 1, min: 0, description: 'd' } } } as const;
    const given = ['a/b.name=10', 'a/b.on=true', 'a/b.n=2.5'].reduce<ReturnType<typeof setting>>((before, text) => setting(text, before), []);
    assert.deepEqual(typedSettings(given, [plugin]), { 'a/b': { name: '10', on: true, n: 2.5 } });
    for (const [text, message] of [['a/c.n=1', /no plugin a\/c/], ['a/b.m=1', /has no setting m/], ['a/b.on=1', /true or false/], ['a/b.n=x', /a number/], ['a/b.n=-1', /at least 0/], ['a/b.toString=1', /has no setting toString/]] as const) {
      assert.throws(() => typedSettings(setting(text), [plugin]), (error) => error instanceof UsageError && message.test(error.message), text);
    }
    assert.throws(() => checkWithout(['sae/nothing'], builtins), /--without sae\/nothing/);
    assert.doesNotThrow(() => checkWithout(['sae/logits'], builtins));
  });

  it('a message that begins with a flag\'s value gets the flag', () => {
    const name = (message: string, flags: Record<string, unknown>): string => {
      const error = new FormatError(message);
      nameFlag(error, flags);
      return error.message;
    };
    assert.equal(name('x.npz: is cut off', { sae: 'x', acts: 'x.npz#a' }), '--acts x.npz: is cut off');
    assert.equal(name('dir/cfg.json: no', { sae: 'dir/' }), '--sae dir/cfg.json: no');
    assert.equal(name('dir2/cfg.json: no', { sae: 'dir' }), 'dir2/cfg.json: no');
    assert.equal(name('w: no', { contextSize: 3, unembed: 'w' }), '--unembed w: no');
  });
});

describe('findings', () => {
  const gpu = { available: false, adapter: null, vendor: null, architecture: null, device: null, software: null, limits: null, features: null, problem: 'there is none', remedy: 'Get one.' };
  const wasm = { available: true, simd: true, relaxed_simd: false, threads: true, problem: null, remedy: null };
  const base = { saekit: '1', runtime: 'Node 20', cores: 1, cross_origin_isolated: null, backend: 'wasm', webgpu: gpu, wasm, model_runtime: { description: 'onnxruntime-web 1', problem: null, remedy: null } } as const;

  it('end with what to do', () => {
    assert.equal(
      findingsText(base, 80),
      ['saekit 1 on Node 20, 1 core. `--backend auto` takes wasm.', '', 'WebGPU      not there', 'WASM        there', '  features  SIMD yes  relaxed SIMD no  shared memory yes', 'Models      onnxruntime-web 1', '', 'What to do:', '  WebGPU: there is none.', '    Get one.'].join('\n'),
    );
    const whole = { ...base, backend: 'webgpu', webgpu: { ...gpu, available: true, software: false, adapter: 'A', limits: { maxBufferSize: 1024 }, features: { subgroups: true }, problem: null, remedy: null } } as const;
    assert.match(findingsText(whole, 80), /limits {4}maxBufferSize 1 KiB\n {2}features {2}subgroups yes[^]*Nothing is missing\.$/);
    assert.ok(findingsText(whole, 40).split('\n').every((line) => line.length <= 41));
  });
});

describe('progress', () => {
  const event = (phase: string, contexts: number, totalContexts: number) => ({ phase, contexts, totalContexts, tokens: contexts * 10, seconds: 1, tokensPerSecond: 10, etaSeconds: null });
  const stream = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, isTTY, columns: 80, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream & { written: string[] };
  };

  it('is a line every ten per cent where there is no terminal', () => {
    const out = stream(false);
    const display = progressDisplay(false, out);
    display.update(event('load', 0, 0));
    for (let contexts = 0; contexts <= 40; contexts++) display.update(event('run', contexts, 40));
    display.line('note: x');
    display.update(event('finish', 40, 40));
    display.update(event('finish', 40, 40));
    display.stop();
    const lines = out.written.join('').split('\n');
    assert.deepEqual([lines[0], lines[1], lines.at(-3), lines.at(-2)], ['loading …', 'analysing  10 %  40 tokens  10 tok/s', 'note: x', 'finishing …']);
    assert.equal(lines.filter((line) => line.startsWith('analysing')).length, 10);
  });

  it('is a bar on a terminal, with lines above it, and gives the terminal back', () => {
    const out = stream(true);
    const display = progressDisplay(false, out);
    display.update(event('load', 0, 0));
    display.update(event('run', 0, 4));
    display.line('note: x');
    display.update(event('run', 2, 4));
    display.stop();
    display.stop();
    const text = out.written.join('');
    assert.ok(text.startsWith('loading …\r\x1b[K'));
    assert.match(text, /note: x\n[^]*analysing [█░]+ 50 % {2}20 tokens/);
    assert.ok(text.includes('\x1b[?25l') && text.lastIndexOf('\x1b[?25h') > text.lastIndexOf('\x1b[?25l'), 'the cursor is shown again');
    assert.ok(text.lastIndexOf('\x1b[?7h') > text.lastIndexOf('\x1b[?7l'), 'lines break again');
  });

  it('is nothing when quiet', () => {
    const out = stream(true);
    const display = progressDisplay(true, out);
    display.update(event('run', 1, 4));
    display.line('note');
    display.stop();
    assert.deepEqual(out.written, []);
  });
});
