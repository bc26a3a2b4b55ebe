/** Counts requests by the real time of their arrival: what e-RS's gateway would see. */
export interface Limits {
  /** Notes one e-RS request. Tokens and object-store downloads are other hosts and do not count. */
  arrived(atMs: number): void;
  /** Whether the newest request is one too many. */
  isOver(): boolean;
  busiestSecond(): number;
  overLimit(): number;
  perSecond: number | undefined;
}

/** Any second means any: the window slides. Source: provider-api 3, request rate. */
export function createLimits(perSecond: number | undefined): Limits {
  const limit = perSecond || undefined;
  const window: number[] = [];
  let busiest = 0;
  let over = 0;
  let isNewestOver = false;
  return {
    arrived(atMs) {
      while (window[0] !== undefined && window[0] <= atMs - 1000) window.shift();
      window.push(atMs);
      busiest = Math.max(busiest, window.length);
      isNewestOver = limit !== undefined && window.length > limit;
      if (isNewestOver) over += 1;
    },
    isOver: () => isNewestOver,
    busiestSecond: () => busiest,
    overLimit: () => over,
    perSecond: limit,
  };
}
