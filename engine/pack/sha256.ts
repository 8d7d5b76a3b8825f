/**
 * SHA-256 (FIPS 180-4) over bytes that come in pieces. `crypto.subtle` wants a
 * file whole, and is missing in pages that are not served securely; a pack is
 * hashed while it is written.
 */

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const K = new Uint32Array(64);
/** The same of the square roots of the first 8 primes. */
const INITIAL = new Uint32Array(8);

function fill(): void {
  let count = 0;
  for (let n = 2; count < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (count < 8) INITIAL[count] = fraction(n, 2n);
    K[count++] = fraction(n, 3n);
  }
}

/** floor(frac(n^(1/power)) * 2^32), exactly: the integer root of n * 2^(32 * power), modulo 2^32. */
function fraction(n: number, power: bigint): number {
  const target = BigInt(n) << (32n * power);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** power <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn);
}

export class Sha256 {
  private readonly state: Uint32Array;
  private readonly block = new Uint8Array(64);
  private readonly view = new DataView(this.block.buffer);
  private readonly schedule = new Uint32Array(64);
  private filled = 0;
  private length = 0;

  constructor() {
    if (K[0] === 0) fill();
    this.state = INITIAL.slice();
  }

  /** Takes the next piece. */
  update(bytes: Uint8Array): this {
    this.length += bytes.byteLength;
    let at = 0;
    while (at < bytes.byteLength) {
      const take = Math.min(64 - this.filled, bytes.byteLength - at);
      this.block.set(bytes.subarray(at, at + take), this.filled);
      this.filled += take;
      at += take;
      if (this.filled === 64) this.compress();
    }
    return this;
  }

  /** The digest of everything so far, as 64 hexadecimal digits. Ends the hash. */
  hex(): string {
    const bits = this.length * 8;
    this.block[this.filled++] = 0x80;
    if (this.filled > 56) {
      this.block.fill(0, this.filled);
      this.compress();
    }
    this.block.fill(0, this.filled, 56);
    this.view.setUint32(56, Math.floor(bits / 2 ** 32));
    this.view.setUint32(60, bits >>> 0);
    this.compress();
    return Array.from(this.state, (word) => word.toString(16).padStart(8, '0')).join('');
  }

  private compress(): void {
    const w = this.schedule;
    const at = (i: number): number => w[i] as number;
    for (let i = 0; i < 16; i++) w[i] = this.view.getUint32(i * 4);
    for (let i = 16; i < 64; i++) {
      const p = at(i - 15);
      const q = at(i - 2);
      const s0 = ((p >>> 7) | (p << 25)) ^ ((p >>> 18) | (p << 14)) ^ (p >>> 3);
      const s1 = ((q >>> 17) | (q << 15)) ^ ((q >>> 19) | (q << 13)) ^ (q >>> 10);
      w[i] = (at(i - 16) + s0 + at(i - 7) + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] as number) + at(i)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const sum = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) this.state[i] = (this.state[i] as number) + (sum[i] as number);
    this.filled = 0;
  }
}
