import winston from 'winston';
import type { Log, LogFields } from './core/index.ts';

/** One JSON line an event, on standard output. */
export function createLog(level: 'info' | 'warn' | 'error'): Log {
  const logger = winston.createLogger({
    level,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Console()],
  });
  const at =
    (severity: 'info' | 'warn' | 'error') =>
    (event: string, fields: LogFields = {}) => {
      logger.log(severity, event, fields);
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}
