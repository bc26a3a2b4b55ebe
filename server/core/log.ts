/** The closed list of what a log line may hold: a payload does not compile. No NHS number, name, free text or token. */
export interface LogFields {
  taskId?: string;
  serviceRequestId?: string;
  service?: string;
  list?: string;
  operation?: string;
  decision?: string;
  correlationId?: string;
  ersRequestId?: string;
  status?: number;
  code?: string;
  ersCode?: string;
  attempt?: number;
  version?: number;
  count?: number;
  done?: number;
  left?: number;
  bytes?: number;
  tookMs?: number;
  afterMs?: number;
  estimatedEnd?: string;
  method?: string;
  route?: string;
  address?: string;
  element?: string;
  /** The class of an unexpected error and where it was thrown; never its message, which may quote data. */
  error?: string;
  at?: string;
}

/** One JSON line an event, named `room.noun.verb`. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  /** Refused, or will be tried again. */
  warn(event: string, fields?: LogFields): void;
  /** A person must act. */
  error(event: string, fields?: LogFields): void;
}

/** What may be said of an unexpected error: its class and the first line of its stack that is ours. */
export function describeError(error: unknown): Pick<LogFields, 'error' | 'at'> {
  if (!Error.isError(error)) return { error: typeof error };
  // A line of the message is none of the stack, whatever it says.
  const frame = error.stack?.split('\n').find((line) => /^ +at .*\/(server|mappings|conformance)\//.test(line));
  const at = frame?.replace(/^.*\/((?:server|mappings|conformance)\/[^)]*)\)?$/, '$1');
  return { error: error.name, ...(at === undefined ? {} : { at }) };
}
