import { describeError, type Log } from '../core/index.ts';

/** Stops what runs once, however often it is asked; a second signal does not wait. */
export function stopOnSignals(log: Log, stop: () => Promise<void>): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    log.info('main.signal.received');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('main.stop.failed', describeError(error));
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
