/** One measured part. */
export interface Size {
  readonly name: string;
  readonly what: string;
  /** Minified and gzipped. */
  readonly bytes: number;
  readonly budget: number | null;
}

/** Measures every part. */
export function measureSizes(): Promise<Size[]>;
