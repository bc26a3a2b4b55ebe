import { parseArgs } from 'node:util';
import { readConfig } from '../config/index.ts';
import { systemClock } from '../core/index.ts';
import { createLog } from '../log.ts';
import { startProduct } from '../product.ts';
import type { Command } from './command.ts';
import { stopOnSignals } from './stop-on-signals.ts';

/** `serve`: the product before a real e-RS, configured by the environment alone. */
export const serve: Command = {
  name: 'serve',
  takes: '',
  summary: 'Runs the server; configured by the environment (README) and nothing else',
  help: `It names every fault of the environment at once, and refuses to start when something is missing or unsafe.
SIGTERM and SIGINT end it within seconds: what is in flight is finished, or parked for the next start; a second signal does not wait.`,
  exitCodes: { 0: 'stopped by a signal', 1: 'the environment does not suffice, or the server could not start' },
  async run({ args, environment, version, complain }) {
    parseArgs({ args: [...args] });
    const read = readConfig(environment);
    if (!read.ok) {
      complain(['The environment does not suffice:', ...read.faults.map((fault) => `- ${fault}`)].join('\n'));
      return 1;
    }
    const log = createLog(read.config.server.logLevel);
    const started = await startProduct({ ...read.config, version, log, clock: systemClock });
    if (!started.ok) {
      complain(started.fault);
      return 1;
    }
    stopOnSignals(log, () => started.product.stop());
    return 0;
  },
};
