import type { StoreResult } from '../../core/index.ts';

export type Headers = Readonly<Record<string, string>>;

/** How a server is shown who asks. */
export interface Entry {
  /** Headers that let us in, or a sentence that says why there are none and what to change. Resolves, never rejects. */
  headers(): Promise<StoreResult<Headers>>;
  /** The server took these no longer (401): whether others can be had. */
  renewable(refused: Headers): boolean;
}

/** The same headers for ever, such as HTTP Basic, or none. */
export const fixedEntry = (headers: Headers): Entry => ({
  headers: async () => ({ ok: true, value: headers }),
  renewable: () => false,
});
