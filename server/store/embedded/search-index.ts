import type { Resource } from '@medplum/fhirtypes';
import type { Parameter, Parameters } from '../fhir/definitions.ts';
import type { Database } from './database.ts';
import { type IndexRow, indexRows, isSameRoot, parseLocalReference } from './index-rows.ts';

/** The index tables, kept in step with the current version of each resource, inside the transaction that writes it. */
export interface SearchIndex {
  /** The number under which the file knows a parameter. */
  keyOf(parameter: Parameter): number;
  /** @param before what the rows of this resource were made of; undefined: it has none */
  write(rid: number, resource: Resource, before?: Resource): void;
  clear(rid: number): void;
}

/** All literal references of a resource are kept under this key, so that a deletion finds who refers to it. */
export const ANY_REFERENCE = 0;

const INSERT: Record<IndexRow['table'], string> = {
  token: 'INSERT OR IGNORE INTO token (rid, param, code, system) VALUES (?, ?, ?, ?)',
  reference: 'INSERT OR IGNORE INTO reference (rid, param, target_type, target_id) VALUES (?, ?, ?, ?)',
  date: 'INSERT OR IGNORE INTO date (rid, param, low, high) VALUES (?, ?, ?, ?)',
  string: 'INSERT OR IGNORE INTO string (rid, param, folded, exact) VALUES (?, ?, ?, ?)',
};

const DELETE: Record<IndexRow['table'], string> = {
  token: 'DELETE FROM token WHERE rid = ? AND param = ? AND code = ? AND system = ?',
  reference: 'DELETE FROM reference WHERE rid = ? AND param = ? AND target_type = ? AND target_id = ?',
  date: 'DELETE FROM date WHERE rid = ? AND param = ? AND low = ? AND high = ?',
  string: 'DELETE FROM string WHERE rid = ? AND param = ? AND folded = ? AND exact = ?',
};

/** Opens the index; what is stored already is indexed again where parameters were added, changed or taken away since. */
export function openSearchIndex(database: Database, parameters: Parameters): SearchIndex {
  const { prepare } = database;
  const { keys, changedTypes } = internParameters(database, parameters);
  const keyOf = ({ type, code }: Parameter) => keys.get(`${type} ${code}`) ?? -1;

  function clear(rid: number): void {
    for (const table of Object.keys(INSERT)) prepare(`DELETE FROM ${table} WHERE rid = ?`).run(rid);
  }

  // A step changes one element of a Task that has forty rows, on as many pages of the file: the others stay as they are.
  function write(rid: number, resource: Resource, before?: Resource): void {
    const replace = (key: number, rows: readonly IndexRow[], old: readonly IndexRow[]) => {
      for (const row of missingFrom(rows, old)) prepare(DELETE[row.table]).run(rid, key, ...columnsOf(row));
      for (const row of missingFrom(old, rows)) prepare(INSERT[row.table]).run(rid, key, ...columnsOf(row));
    };
    for (const parameter of parameters.get(resource.resourceType)?.values() ?? []) {
      if (before !== undefined && parameter.roots.every((root) => isSameRoot(resource, before, root))) continue;
      replace(keyOf(parameter), indexRows(parameter, resource), before ? indexRows(parameter, before) : []);
    }
    replace(ANY_REFERENCE, referenceRows(resource), before ? referenceRows(before) : []);
  }

  if (changedTypes.size > 0) {
    database.atomically(() => {
      const current =
        'SELECT r.rid, v.content FROM resource r JOIN version v ON v.seq = r.seq WHERE r.type = ? AND r.deleted = 0';
      for (const type of changedTypes) {
        for (const { rid, content } of prepare(current).all(type)) {
          clear(Number(rid));
          write(Number(rid), JSON.parse(String(content)) as Resource);
        }
      }
      const done = prepare('UPDATE parameter SET expression = ? WHERE type = ? AND code = ?');
      for (const ofType of parameters.values()) {
        for (const { type, code, expression } of ofType.values())
          if (changedTypes.has(type)) done.run(expression, type, code);
      }
      return { ok: true, value: undefined };
    });
  }
  return { keyOf, write, clear };
}

/** Gives each parameter its number. A type has changed where the file's expressions are not those of now. */
function internParameters(database: Database, parameters: Parameters) {
  const { prepare } = database;
  const known = new Map(
    prepare('SELECT type, code, expression FROM parameter')
      .all()
      .map(({ type, code, expression }) => [`${type} ${code}`, { type: String(type), code: String(code), expression }]),
  );
  const changedTypes = new Set<string>();
  database.atomically(() => {
    for (const ofType of parameters.values()) {
      for (const { type, code, expression } of ofType.values()) {
        const before = known.get(`${type} ${code}`);
        if (before?.expression !== expression) changedTypes.add(type);
        if (!before) prepare("INSERT INTO parameter (type, code, expression) VALUES (?, ?, '')").run(type, code);
      }
    }
    for (const { type, code } of known.values()) {
      // Not computed while it is away: were it to come back, it would have to be computed afresh.
      if (!parameters.get(type)?.has(code))
        prepare('DELETE FROM parameter WHERE type = ? AND code = ?').run(type, code);
    }
    return { ok: true, value: undefined };
  });
  const rows = prepare('SELECT param, type, code FROM parameter').all();
  const keys = new Map(rows.map(({ param, type, code }) => [`${type} ${code}`, Number(param)]));
  return { keys, changedTypes };
}

function columnsOf(row: IndexRow): [string | number, string | number] {
  switch (row.table) {
    case 'token':
      return [row.code, row.system];
    case 'reference':
      return [row.type, row.id];
    case 'date':
      return [row.low, row.high];
    case 'string':
      return [row.folded, row.exact];
  }
}

/** Those of `rows` that `others` has not. */
function missingFrom(others: readonly IndexRow[], rows: readonly IndexRow[]): readonly IndexRow[] {
  if (others.length === 0) return rows;
  const textOf = (row: IndexRow) => JSON.stringify([row.table, ...columnsOf(row)]);
  const known = new Set(others.map(textOf));
  return rows.filter((row) => !known.has(textOf(row)));
}

const referenceRows = (resource: Resource): IndexRow[] =>
  [...literalReferences(resource)].flatMap((reference) => {
    const local = parseLocalReference(reference);
    return local ? [{ table: 'reference' as const, ...local }] : [];
  });

/** Every `Reference.reference` in a resource, contained ones and extensions included. */
export function* literalReferences(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (typeof member === 'object') yield* literalReferences(member);
    else if (key === 'reference' && typeof member === 'string') yield member;
  }
}
