import { machine } from './measure.ts';
import { simulateYear } from './simulated-year.ts';

/** `npm run bench:year [-- DAYS SERVICES SEED TROUBLE]`: ends with 1 when a poll was one too many, a lost slot has no explanation, or a list came out of turn. */
const [days = 365, services = 50, seed = 1, trouble = 1] = process.argv.slice(2).map(Number);
const startedMs = performance.now();
const report = await simulateYear({ days, services, seed, trouble });
const tookSeconds = (performance.now() - startedMs) / 1000;
const lost = Object.entries(report.lost).toSorted(([, a], [, b]) => b - a);
const total = lost.reduce((sum, [, count]) => sum + count, 0);
const { turns } = report;
const lines = [
  machine(),
  '',
  `${days} days, ${services} services, seed ${seed}; e-RS lets 2 polls of a service through in any 24 hours, both lists together, and counts them itself`,
  `what happened     ${report.restarts} restarts, ${report.kills} kills, ${report.twoAtOnce} times a second process, ${report.clockSteps} clock steps, ${report.outages} outages of e-RS, ${report.operatorPolls} polls by an operator`,
  `polls made        ${report.polls}`,
  `two lists         ${turns.services} services: ${Object.entries(turns.polls)
    .map(([list, count]) => `${list} ${count}`)
    .join(
      ', ',
    )}; the same list again ${turns.readAgain} times, nobody having its answer; out of turn ${turns.outOfTurn.length} (must be 0)`,
  `over the limit    ${report.overLimit} (must be 0)`,
  `slots used        ${report.used} of ${report.slots} (${((report.used / report.slots) * 100).toFixed(1)} %)`,
  `slots lost        ${total}, explained:`,
  ...lost.map(([why, count]) => `  ${String(count).padStart(6)}  ${why}`),
  `unexplained       ${report.unexplained.length} (must be 0)${report.unexplained
    .slice(0, 5)
    .map((one) => `\n          ${one}`)
    .join('')}`,
  `seconds taken     ${tookSeconds.toFixed(0)} (aim 300)`,
];
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = report.overLimit > 0 || report.unexplained.length > 0 || turns.outOfTurn.length > 0 ? 1 : 0;
