import { parseArgs } from 'node:util';
import { buildModule } from '../test/hapi/build.ts';
import { machine } from './measure.ts';
import { type Figures, measureDoor } from './store-door.ts';
import { measureLoad } from './store-load.ts';
import { contenders } from './store-places.ts';

/**
 * `npm run bench:stores -- --postgres URL [--referrals N]`: the three stores side by side, in one run on one machine: the
 * driver first, then the server over it. Medplum comes along where STORE_URL, STORE_CLIENT_ID and STORE_CLIENT_SECRET name one;
 * STORE_PIDS, with blanks between, says which processes of this machine are its own: their memory is shown.
 */
const { values } = parseArgs({
  options: { postgres: { type: 'string' }, referrals: { type: 'string', default: '1000' } },
});
if (values.postgres !== undefined) process.env['HAPI_POSTGRES'] = values.postgres;
buildModule('bench:stores runs a real HAPI FHIR server beside the others');

const all = new Map<string, Figures>();
for (const { name, open } of contenders(process.env)) {
  process.stderr.write(`${name}: the driver\n`);
  const figures: Figures = new Map();
  {
    await using place = await open();
    const store = await place.connect();
    for (const [what, value] of await measureDoor(store)) figures.set(what, value);
    await store.close();
  }
  process.stderr.write(`${name}: the server over it\n`);
  await using place = await open();
  for (const [what, value] of await measureLoad(place, Number(values.referrals))) figures.set(what, value);
  all.set(name, figures);
}

const shown = (value: number | undefined): string =>
  value === undefined ? '' : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(2);
const [, embedded] = [...all][0] ?? [];
const others = [...all].slice(1);
const whats = [...new Set([...all.values()].flatMap((figures) => [...figures.keys()]))];
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
const rows = whats.map((what) => {
  const base = embedded?.get(what);
  const beside = others.flatMap(([, figures]) => {
    const value = figures.get(what);
    const ratio = value === undefined || !base ? '' : `${shown(value / base)} ×`;
    return [shown(value), ratio];
  });
  return line([what, shown(base), ...beside]);
});
const heads = ['What', 'embedded', ...others.flatMap(([name]) => [name, '÷ embedded'])];
process.stdout.write(`${machine()}\n\n${[line(heads), line(heads.map(() => '---')), ...rows].join('\n')}\n`);
