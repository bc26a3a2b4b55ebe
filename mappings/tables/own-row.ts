/** A table's own row: what every object inherits (`toString`, `constructor`) is no code that a table knows. */
export const ownRow = <T>(table: Readonly<Record<string, T>>, key: string | undefined): T | undefined =>
  key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
