/** Milliseconds, inclusive at both ends. */
export interface Span {
  readonly low: number;
  readonly high: number;
}

/** Hours, minutes, seconds and zones as R4 has them: what is not a time is no search that finds nothing. */
const DATE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d{1,9}))?)?(Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))?)?)?)?$/;

/** The stretch of time that a FHIR date or dateTime of any precision names; UTC where no zone is given. */
export function parseDate(text: string): Span | undefined {
  const [whole, year, month, day, hour, minute, second, fraction, zone = 'Z'] = DATE.exec(text) ?? [];
  if (whole === undefined || year === undefined) return undefined;
  const y = Number(year);
  const mo = Number(month ?? 1) - 1;
  const d = Number(day ?? 1);
  if (mo > 11 || d < 1 || d > new Date(Date.UTC(y, mo + 1, 0)).getUTCDate()) return undefined;
  const offsetMs =
    zone === 'Z' ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4))) * 60e3;
  const ms = Math.floor(Number(`0.${fraction ?? 0}`) * 1000);
  const low = Date.UTC(y, mo, d, Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0), ms) - offsetMs;
  if (month === undefined) return { low, high: Date.UTC(y + 1, 0) - 1 };
  if (day === undefined) return { low, high: Date.UTC(y, mo + 1) - 1 };
  if (hour === undefined) return { low, high: low + 86_400e3 - 1 };
  if (second === undefined) return { low, high: low + 60e3 - 1 };
  return { low, high: fraction === undefined ? low + 999 : low };
}
