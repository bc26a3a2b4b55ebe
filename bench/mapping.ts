import { idSpace, mapReferral } from '../mappings/index.ts';
import { type Row, ratesOf, rowOf } from './measure.ts';
import { referralSource } from './sources.ts';

/** A005 → R4 against JSON.parse of the same bytes, in turn, in one run. */
export async function benchMapping(): Promise<Row[]> {
  const ids = idSpace('bench');
  const text = JSON.stringify(await referralSource());
  const source: unknown = JSON.parse(text);
  const parse: number[] = [];
  const map: number[] = [];
  for (let pair = 0; pair < 7; pair += 1) {
    parse.push(...(await ratesOf(1, 2_000, () => JSON.parse(text))));
    map.push(...(await ratesOf(1, 2_000, () => mapReferral(source, { ids }))));
  }
  const ratios = parse.map((rate, index) => rate / (map[index] ?? Number.NaN));
  return [
    rowOf(`JSON.parse of an A005 answer (${text.length} bytes)`, '1/s', parse),
    rowOf('mapping the same answer to R4', '1/s', map),
    rowOf('mapping ÷ JSON.parse, time', '×', ratios),
  ];
}
