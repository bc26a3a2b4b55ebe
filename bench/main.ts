import { parseArgs } from 'node:util';
import { benchBudget } from './budget.ts';
import { benchDoor } from './door.ts';
import { benchFiles } from './files.ts';
import { benchMapping } from './mapping.ts';
import { machine, type Row, table } from './measure.ts';
import { benchRestart } from './restart.ts';
import { benchStart } from './start.ts';
import { benchStore } from './store.ts';
import { benchUnchanged } from './unchanged.ts';
import { benchWire } from './wire.ts';

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { referrals: { type: 'string', default: '100' } },
});

const SECTIONS: Readonly<Record<string, () => Promise<Row[]>>> = {
  start: benchStart,
  store: benchStore,
  mapping: benchMapping,
  unchanged: benchUnchanged,
  wire: benchWire,
  door: benchDoor,
  budget: () => benchBudget(Number(values.referrals)),
  files: benchFiles,
  restart: benchRestart,
};

const rows: Row[] = [];
for (const [name, section] of Object.entries(SECTIONS)) {
  if (wanted.length === 0 || wanted.includes(name)) rows.push(...(await section()));
}
process.stdout.write(`${machine()}\n\n${table(rows)}\n`);
