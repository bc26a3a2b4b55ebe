import { randomUUID } from 'node:crypto';
import { deepEquals } from '@medplum/core';
import type { Resource } from '@medplum/fhirtypes';
import type {
  Clock,
  HistoryEntry,
  HistoryPage,
  ResourceType,
  Stored,
  StoreFailure,
  StoreResult,
} from '../../core/index.ts';
import type { Database } from './database.ts';
import { isKeptType, type Parameters } from './definitions.ts';
import { indexRows, parseLocalReference } from './index-rows.ts';
import { failure } from './outcome.ts';
import type { Validate } from './validate.ts';

/** The current row of a resource, deleted or not. */
interface Row {
  readonly rid: number;
  readonly version: number;
  readonly seq: number;
  readonly deleted: number;
}

/** Written with the outcome of the commit still open; `rid` is the resource's number in this file. */
export interface Written {
  readonly rid: number;
  readonly stored: Stored;
  readonly isChanged: boolean;
}

export type Change = { readonly type: ResourceType; readonly id: string };

export interface PutCondition {
  /** That version or conflict. */
  readonly ifMatch?: string;
  /** Conflict when it exists. */
  readonly mustBeNew?: boolean;
  /** A new version although the resource is the same: what it stands for has changed. */
  readonly isNewVersion?: boolean;
}

/** Versions of resources in SQLite. Reads stand alone; `create`, `put`, `remove` only inside {@link Ledger.transact}. */
export interface Ledger {
  read(type: string, id: string): StoreResult<Stored>;
  readVersion(type: string, id: string, versionId: string): StoreResult<Stored>;
  history(
    type: string,
    id: string | undefined,
    page: { since?: string; count?: number; next?: string },
  ): StoreResult<HistoryPage>;
  /** What the resource numbers hold now, deleted ones left out, in the order given. */
  load(rids: readonly number[]): Stored[];
  /** Under a new id, or the fresh one given; an id in the resource does not count. */
  create(resource: Resource, id?: string): StoreResult<Written>;
  /** A replacement by the same content makes no version (I-11). */
  put(resource: Resource & { id: string }, condition: PutCondition): StoreResult<Written>;
  remove(type: string, id: string, condition: { ifMatch?: string }): StoreResult<{ rid: number }>;
  /** One SQLite transaction. Rolled back when `work` fails, or when it leaves a reference that leads nowhere. */
  transact<T>(work: () => StoreResult<T>): StoreResult<T>;
}

const ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** All literal references of a resource are kept under this parameter, so that a deletion finds who refers to it. */
const ANY_REFERENCE = 0;

/** Witnesses outlive what they tell of: they do not hold it back from deletion. */
const WITNESSES = ['Provenance', 'AuditEvent'];

const MAX_HISTORY_PAGE = 1000;

export function buildLedger(parts: {
  database: Database;
  clock: Clock;
  parameters: Parameters;
  validate: Validate;
  onCommit: (changes: readonly Change[]) => void;
}): Ledger {
  const { database, clock, parameters, validate } = parts;
  const prepare = database.prepare;
  const keys = internParameters(database, parameters);
  let lastMs = Number(prepare('SELECT max(updated) AS ms FROM version').get()?.['ms'] ?? 0);
  let touched = { changes: [] as Change[], references: new Set<string>(), removed: [] as Change[] };

  reindexChanged();

  const rowOf = (type: string, id: string) =>
    prepare('SELECT rid, version, seq, deleted FROM resource WHERE type = ? AND id = ?').get(type, id) as
      | Row
      | undefined;

  const contentOf = (seq: number) =>
    JSON.parse(String(prepare('SELECT content FROM version WHERE seq = ?').get(seq)?.['content'])) as Stored;

  function nextMs(): number {
    lastMs = Math.max(lastMs, clock.now().getTime());
    return lastMs;
  }

  function writeVersion(
    row: Row | undefined,
    method: 'POST' | 'PUT',
    resource: Resource & { id: string },
  ): StoreResult<Written> {
    const ms = nextMs();
    const version = (row?.version ?? 0) + 1;
    const type = resource.resourceType;
    const stored = stamp(resource, version, ms);
    const content = JSON.stringify(stored);
    const rid = row?.rid ?? insertResource(type, resource.id);
    const { lastInsertRowid: seq } = prepare(
      'INSERT INTO version (rid, type, version, updated, method, content) VALUES (?, ?, ?, ?, ?, ?)',
    ).run(rid, type, version, ms, method, content);
    prepare('UPDATE resource SET version = ?, seq = ?, updated = ?, deleted = 0 WHERE rid = ?').run(
      version,
      seq,
      ms,
      rid,
    );
    if (row && !row.deleted) clearIndex(rid);
    writeIndex(rid, stored);
    for (const reference of literalReferences(stored)) touched.references.add(reference);
    touched.changes.push({ type, id: resource.id });
    return { ok: true, value: { rid, stored, isChanged: true } };
  }

  function insertResource(type: string, id: string): number {
    const sql = 'INSERT INTO resource (type, id, version, seq, updated, deleted) VALUES (?, ?, 0, 0, 0, 0)';
    return Number(prepare(sql).run(type, id).lastInsertRowid);
  }

  function clearIndex(rid: number): void {
    for (const table of ['token', 'reference', 'date', 'string'])
      prepare(`DELETE FROM ${table} WHERE rid = ?`).run(rid);
  }

  function writeIndex(rid: number, resource: Stored): void {
    for (const parameter of parameters.get(resource.resourceType)?.values() ?? []) {
      const param = keys.get(parameter.type)?.get(parameter.code) ?? 0;
      for (const row of indexRows(parameter, resource)) {
        if (row.table === 'token') {
          prepare('INSERT OR IGNORE INTO token (rid, param, code, system) VALUES (?, ?, ?, ?)').run(
            rid,
            param,
            row.code,
            row.system,
          );
        } else if (row.table === 'reference') insertReference(rid, param, row.type, row.id);
        else if (row.table === 'date') {
          prepare('INSERT OR IGNORE INTO date (rid, param, low, high) VALUES (?, ?, ?, ?)').run(
            rid,
            param,
            row.low,
            row.high,
          );
        } else {
          const sql = 'INSERT OR IGNORE INTO string (rid, param, folded, exact) VALUES (?, ?, ?, ?)';
          prepare(sql).run(rid, param, row.folded, row.exact);
        }
      }
    }
    for (const reference of literalReferences(resource)) {
      const local = parseLocalReference(reference);
      if (local) insertReference(rid, ANY_REFERENCE, local.type, local.id);
    }
  }

  function insertReference(rid: number, param: number, type: string, id: string): void {
    const sql = 'INSERT OR IGNORE INTO reference (rid, param, target_type, target_id) VALUES (?, ?, ?, ?)';
    prepare(sql).run(rid, param, type, id);
  }

  /** Parameters that are new or changed since the file was written are computed for what is there already. */
  function reindexChanged(): void {
    const known = new Map(
      prepare("SELECT type || ' ' || code AS name, expression FROM parameter")
        .all()
        .map((row) => [row['name'], row['expression']]),
    );
    const stale = new Set<string>();
    for (const [type, ofType] of parameters) {
      for (const { code, expression } of ofType.values()) {
        if (known.get(`${type} ${code}`) !== expression) stale.add(type);
      }
    }
    database.atomically(() => {
      for (const type of stale) {
        for (const row of prepare('SELECT rid, seq FROM resource WHERE type = ? AND deleted = 0').all(type)) {
          clearIndex(Number(row['rid']));
          writeIndex(Number(row['rid']), contentOf(Number(row['seq'])));
        }
        for (const { code, expression } of parameters.get(type)?.values() ?? []) {
          prepare('UPDATE parameter SET expression = ? WHERE type = ? AND code = ?').run(expression, type, code);
        }
      }
      return { ok: true, value: undefined };
    });
  }

  function danglingReference(): StoreFailure | undefined {
    for (const reference of touched.references) {
      if (reference.startsWith('urn:uuid:'))
        return failure('invalid', 'A reference names a urn that no entry of the transaction has as its fullUrl');
      const local = parseLocalReference(reference);
      if (!local || !isKeptType(local.type)) continue;
      const row = rowOf(local.type, local.id);
      if (!row || row.deleted) {
        return failure(
          'invalid',
          `A reference leads to a ${local.type} that is not here: create it first, or in the same transaction`,
        );
      }
    }
    for (const { type, id } of touched.removed) {
      const row = rowOf(type, id);
      if (row && !row.deleted) continue;
      const referrer = prepare(
        `SELECT r.type FROM reference f JOIN resource r ON r.rid = f.rid
         WHERE f.param = ${ANY_REFERENCE} AND f.target_id = ? AND f.target_type = ? AND r.type NOT IN (${WITNESSES.map((one) => `'${one}'`)})`,
      ).get(id, type);
      if (referrer)
        return failure('conflict', `A ${referrer['type']} still refers to this ${type}: delete or change it first`);
    }
    return undefined;
  }

  return {
    read(type, id) {
      const row = prepare(
        'SELECT r.deleted, v.content FROM resource r JOIN version v ON v.seq = r.seq WHERE r.type = ? AND r.id = ?',
      ).get(type, id);
      if (!row) return failure('not-found', `There is no such ${safeType(type)}`);
      if (row['deleted']) return failure('gone', `This ${type} was deleted`);
      return { ok: true, value: JSON.parse(String(row['content'])) as Stored };
    },

    readVersion(type, id, versionId) {
      const version = /^[1-9]\d{0,14}$/.test(versionId) ? Number(versionId) : 0;
      const row = prepare(
        'SELECT v.content FROM resource r JOIN version v ON v.rid = r.rid AND v.version = ? WHERE r.type = ? AND r.id = ?',
      ).get(version, type, id);
      if (!row) return failure('not-found', `There is no such version of this ${safeType(type)}`);
      if (row['content'] === null) return failure('gone', `This version is the deletion of the ${type}`);
      return { ok: true, value: JSON.parse(String(row['content'])) as Stored };
    },

    history(type, id, { since, count = 50, next }) {
      const row = id === undefined ? undefined : rowOf(type, id);
      if (id !== undefined && !row) return failure('not-found', `There is no such ${safeType(type)}`);
      const sinceMs = since === undefined ? 0 : Date.parse(since);
      if (Number.isNaN(sinceMs)) return failure('invalid', '_since must be an instant');
      if (next !== undefined && !/^\d{1,15}$/.test(next))
        return failure('invalid', 'The paging token is not one of ours');
      const scope = row ? 'rid = ?' : 'type = ?';
      const key = row?.rid ?? type;
      const limit = Math.min(Math.max(count, 0), MAX_HISTORY_PAGE);
      const total = prepare(`SELECT count(*) AS n FROM version WHERE ${scope} AND updated >= ?`).get(key, sinceMs);
      const rows = prepare(
        `SELECT v.seq, r.id, v.version, v.updated, v.method, v.content FROM version v JOIN resource r ON r.rid = v.rid
         WHERE v.${scope} AND v.updated >= ? AND v.seq < ? ORDER BY v.seq DESC LIMIT ?`,
      ).all(key, sinceMs, next === undefined ? Number.MAX_SAFE_INTEGER : Number(next), limit + 1);
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        ok: true,
        value: {
          entries: page.map((one) => historyEntry(type as ResourceType, one)),
          total: Number(total?.['n']),
          ...(rows.length > limit && last ? { next: String(last['seq']) } : {}),
        },
      };
    },

    load(rids) {
      const statement = prepare(
        'SELECT v.content FROM resource r JOIN version v ON v.seq = r.seq WHERE r.rid = ? AND r.deleted = 0',
      );
      return rids.flatMap((rid) => {
        const row = statement.get(rid);
        return row ? [JSON.parse(String(row['content'])) as Stored] : [];
      });
    },

    create(resource, id = randomUUID()) {
      const plain = plainCopy({ ...resource, id });
      return validate(plain) ?? writeVersion(undefined, 'POST', plain);
    },

    put(resource, { ifMatch, mustBeNew, isNewVersion }) {
      if (!ID.test(resource.id))
        return failure(
          'invalid',
          'An id has 1 to 64 letters, digits, hyphens and dots',
          `${safeType(resource.resourceType)}.id`,
        );
      const plain = plainCopy(resource);
      const fault = validate(plain);
      if (fault) return fault;
      const row = rowOf(plain.resourceType, plain.id);
      const current = row && !row.deleted ? row : undefined;
      if (ifMatch !== undefined && String(current?.version) !== ifMatch) return staleVersion(plain.resourceType);
      if (mustBeNew && current) return failure('conflict', `This ${plain.resourceType} exists already`);
      if (current && !isNewVersion) {
        const stored = contentOf(current.seq);
        const same = stamp(plain, current.version, Date.parse(stored.meta.lastUpdated));
        if (deepEquals(stored, same)) return { ok: true, value: { rid: current.rid, stored, isChanged: false } };
      }
      return writeVersion(row, 'PUT', plain);
    },

    remove(type, id, { ifMatch }) {
      const row = rowOf(type, id);
      if (!row) return failure('not-found', `There is no such ${safeType(type)}`);
      if (row.deleted) return ifMatch === undefined ? { ok: true, value: { rid: row.rid } } : staleVersion(type);
      if (ifMatch !== undefined && String(row.version) !== ifMatch) return staleVersion(type);
      const ms = nextMs();
      const { lastInsertRowid: seq } = prepare(
        "INSERT INTO version (rid, type, version, updated, method, content) VALUES (?, ?, ?, ?, 'DELETE', NULL)",
      ).run(row.rid, type, row.version + 1, ms);
      prepare('UPDATE resource SET version = ?, seq = ?, updated = ?, deleted = 1 WHERE rid = ?').run(
        row.version + 1,
        seq,
        ms,
        row.rid,
      );
      clearIndex(row.rid);
      touched.removed.push({ type: type as ResourceType, id });
      touched.changes.push({ type: type as ResourceType, id });
      return { ok: true, value: { rid: row.rid } };
    },

    transact(work) {
      touched = { changes: [], references: new Set(), removed: [] };
      const result = database.atomically(() => {
        const outcome = work();
        return outcome.ok ? (danglingReference() ?? outcome) : outcome;
      });
      if (result.ok && touched.changes.length > 0) parts.onCommit(touched.changes);
      return result;
    },
  };
}

/** The numbers under which the file knows the parameters, by type and code. */
export function internParameters(
  database: Database,
  parameters: Parameters,
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const keys = new Map<string, Map<string, number>>();
  database.atomically(() => {
    for (const [type, ofType] of parameters) {
      for (const code of ofType.keys()) {
        database.prepare("INSERT OR IGNORE INTO parameter (type, code, expression) VALUES (?, ?, '')").run(type, code);
      }
    }
    return { ok: true, value: undefined };
  });
  for (const row of database.prepare('SELECT param, type, code FROM parameter').all()) {
    const ofType = keys.get(String(row['type'])) ?? new Map<string, number>();
    keys.set(String(row['type']), ofType.set(String(row['code']), Number(row['param'])));
  }
  return keys;
}

const staleVersion = (type: string) =>
  failure('conflict', `This ${type} is no longer at the version given: read it again`);

/** The type as it may be shown in an outcome: what a client made up is not repeated. */
const safeType = (type: string): string => (isKeptType(type) ? type : 'resource');

/** As JSON has it: no undefined members, and nothing shared with the caller. */
const plainCopy = <T extends Resource>(resource: T): T => JSON.parse(JSON.stringify(resource));

function stamp({ resourceType, id, meta, ...rest }: Resource & { id: string }, version: number, ms: number): Stored {
  const stamped = { ...meta, versionId: String(version), lastUpdated: new Date(ms).toISOString() };
  return { resourceType, id, meta: stamped, ...rest } as Stored;
}

function* literalReferences(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    if (typeof member === 'object') yield* literalReferences(member);
    else if (key === 'reference' && typeof member === 'string') yield member;
  }
}

function historyEntry(type: ResourceType, row: Record<string, unknown>): HistoryEntry {
  const entry = {
    type,
    id: String(row['id']),
    versionId: String(row['version']),
    lastUpdated: new Date(Number(row['updated'])).toISOString(),
    method: row['method'] as HistoryEntry['method'],
  };
  return row['content'] === null ? entry : { ...entry, resource: JSON.parse(String(row['content'])) as Stored };
}
