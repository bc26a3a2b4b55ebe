import { cpus, totalmem } from 'node:os';

/** One line of a report: what was measured, the middle of the runs, their spread, and a ratio where there is one. */
export interface Row {
  readonly what: string;
  readonly median: number;
  readonly unit: 'ms' | '1/s' | 'MB' | '×' | '';
  readonly min?: number;
  readonly max?: number;
  readonly aim?: string;
}

export const medianOf = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

export const percentileOf = (values: readonly number[], percent: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
};

export const rowOf = (what: string, unit: Row['unit'], values: readonly number[], aim?: string): Row => ({
  what,
  unit,
  median: medianOf(values),
  min: Math.min(...values),
  max: Math.max(...values),
  ...(aim === undefined ? {} : { aim }),
});

/** Milliseconds that `work` takes. */
export async function timeMs(work: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

/** Runs `work` `times` a round for some rounds after one that is not counted; operations per second, one value a round. */
export async function ratesOf(rounds: number, times: number, work: (index: number) => unknown): Promise<number[]> {
  const rates: number[] = [];
  let index = 0;
  for (let round = -1; round < rounds; round += 1) {
    const tookMs = await timeMs(async () => {
      for (let time = 0; time < times; time += 1) {
        await work(index);
        index += 1;
      }
    });
    if (round >= 0) rates.push((times / tookMs) * 1000);
  }
  return rates;
}

export const residentMb = (): number => process.memoryUsage().rss / 1e6;

export const machine = (): string =>
  `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 1e9)} GB, Node ${process.versions.node}, ${process.platform}`;

const shown = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ what, median, unit, min, max, aim }) => {
    const spread = min === undefined || max === undefined ? '' : `${shown(min)}–${shown(max)}`;
    return `| ${what} | ${shown(median)} ${unit} | ${spread} | ${aim ?? ''} |`;
  });
  return ['| What | Median | Min–max | Aim |', '|---|---|---|---|', ...lines].join('\n');
}
