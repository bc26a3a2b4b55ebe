import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';

/** One SQLite connection with cached statements. Everything on it is synchronous, so nothing interleaves. */
export interface Database {
  prepare(sql: string): StatementSync;
  /** Answers what `work` does, or `late` where its statements have read on for longer than `ms`. */
  within<T>(ms: number, work: () => T, late: () => T): T;
  /** Runs `work` in one transaction; what it answers with `ok: false` is rolled back, and so is what it throws. */
  atomically<T>(work: () => StoreResult<T>): StoreResult<T>;
  close(): void;
}

/** Bumped with every change of the tables: an older file is refused instead of misread. */
const SCHEMA_VERSION = 1;

/**
 * `rid` numbers resources in order of first creation and never changes; `seq` numbers versions in commit order without
 * a gap, since there is one writer and a rolled-back number is given out again.
 */
const SCHEMA = `
CREATE TABLE resource (
  rid INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, seq INTEGER NOT NULL,
  updated INTEGER NOT NULL, deleted INTEGER NOT NULL, UNIQUE (type, id)) STRICT;
CREATE INDEX resource_by_type ON resource (type);
CREATE INDEX resource_by_update ON resource (type, updated, seq);
CREATE TABLE version (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, rid INTEGER NOT NULL, type TEXT NOT NULL, version INTEGER NOT NULL,
  updated INTEGER NOT NULL, method TEXT NOT NULL, content TEXT) STRICT;
CREATE UNIQUE INDEX version_by_resource ON version (rid, version);
CREATE INDEX version_by_type ON version (type);
CREATE TABLE parameter (
  param INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, code TEXT NOT NULL, expression TEXT NOT NULL, UNIQUE (type, code)) STRICT;
CREATE TABLE token (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, code TEXT NOT NULL, system TEXT NOT NULL,
  PRIMARY KEY (rid, param, code, system)) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_value ON token (param, code, system);
CREATE TABLE reference (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, target_type TEXT NOT NULL, target_id TEXT NOT NULL,
  PRIMARY KEY (rid, param, target_id, target_type)) STRICT, WITHOUT ROWID;
CREATE INDEX reference_by_target ON reference (param, target_id, target_type);
CREATE TABLE date (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
  PRIMARY KEY (rid, param, low, high)) STRICT, WITHOUT ROWID;
CREATE INDEX date_by_value ON date (param, low, high);
CREATE TABLE string (
  rid INTEGER NOT NULL, param INTEGER NOT NULL, folded TEXT NOT NULL, exact TEXT NOT NULL,
  PRIMARY KEY (rid, param, folded, exact)) STRICT, WITHOUT ROWID;
CREATE INDEX string_by_value ON string (param, folded);
CREATE TABLE binary (
  rid INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, sha1 TEXT NOT NULL) STRICT;
`;

const MAX_STATEMENTS = 500;

const SQLITE_BUSY = 5;

/**
 * Opens or makes the file. WAL with `synchronous=FULL`: a commit is on the disk before it is acknowledged. The exclusive
 * lock is held until the process ends, however it ends, so a second process is refused instead of let in.
 */
export function openDatabase(file: string, monotonicMs: () => number): StoreResult<Database> {
  const sqlite = new DatabaseSync(file);
  try {
    sqlite.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    sqlite.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; BEGIN EXCLUSIVE; COMMIT');
  } catch (error) {
    sqlite.close();
    if (sqliteCode(error) !== SQLITE_BUSY) throw error;
    return failure('unavailable', 'The data directory is in use by another process: stop it, or name another DATA_DIR');
  }
  const stored = sqlite.prepare('PRAGMA user_version').get()?.['user_version'];
  if (stored === 0) sqlite.exec(`BEGIN; ${SCHEMA}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  else if (stored !== SCHEMA_VERSION) {
    sqlite.close();
    return failure(
      'unavailable',
      `The data directory was written by another version of this program (schema ${stored})`,
    );
  }
  return { ok: true, value: databaseOf(sqlite, monotonicMs) };
}

/** What a statement is ended by. */
class Late extends Error {}

/**
 * A condition that holds as long as there is time: SQLite cannot be interrupted from its own thread, but asks this of each row
 * that it looks at, and the clock of every 64th.
 */
export const inTime = (row: string): string => `((${row}.rid & 63) <> 0 OR in_time())`;

function databaseOf(sqlite: DatabaseSync, monotonicMs: () => number): Database {
  let endsAtMs = Number.POSITIVE_INFINITY;
  const isInTime = () => {
    if (endsAtMs !== Number.POSITIVE_INFINITY && monotonicMs() > endsAtMs) throw new Late();
    return 1;
  };
  sqlite.function('in_time', { directOnly: true }, isInTime);
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const oldest = statements.size >= MAX_STATEMENTS ? statements.keys().next().value : undefined;
    if (oldest !== undefined) statements.delete(oldest);
    const statement = sqlite.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  const begin = sqlite.prepare('BEGIN IMMEDIATE');
  const commit = sqlite.prepare('COMMIT');
  return {
    prepare,
    within(ms, work, late) {
      endsAtMs = monotonicMs() + ms;
      try {
        return work();
      } catch (error) {
        if (error instanceof Late) return late();
        throw error;
      } finally {
        endsAtMs = Number.POSITIVE_INFINITY;
      }
    },
    atomically(work) {
      begin.run();
      let isCommitted = false;
      try {
        const result = work();
        if (result.ok) {
          commit.run();
          isCommitted = true;
        }
        return result;
      } finally {
        if (!isCommitted && sqlite.isTransaction) sqlite.exec('ROLLBACK');
      }
    },
    close: () => sqlite.close(),
  };
}

/** SQLite's primary result code, when the error is SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!Error.isError(error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
