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
import { isKeptType } from '../fhir/definitions.ts';
import { failure, stale } from '../fhir/outcome.ts';
import { plainCopy } from '../fhir/plain-copy.ts';
import type { Validate } from '../fhir/validate.ts';
import type { Database } from './database.ts';
import { parseLocalReference } from './index-rows.ts';
import { ANY_REFERENCE, literalReferences, type SearchIndex } from './search-index.ts';

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

/** Witnesses outlive what they tell of: they do not hold it back from deletion. */
const WITNESSES = ['Provenance', 'AuditEvent'];

const MAX_HISTORY_PAGE = 1000;

export function buildLedger(parts: {
  database: Database;
  clock: Clock;
  index: SearchIndex;
  validate: Validate;
  onCommit: (changes: readonly Change[]) => void;
}): Ledger {
  const { database, clock, index, validate } = parts;
  const prepare = database.prepare;
  let lastMs = Number(prepare('SELECT updated AS ms FROM version ORDER BY seq DESC LIMIT 1').get()?.['ms'] ?? 0);
  let touched = { changes: [] as Change[], references: new Set<string>(), removed: [] as Change[] };

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
    before?: Stored,
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
    index.write(rid, stored, before);
    for (const reference of literalReferences(stored)) touched.references.add(reference);
    touched.changes.push({ type, id: resource.id });
    return { ok: true, value: { rid, stored } };
  }

  function insertResource(type: string, id: string): number {
    const sql = 'INSERT INTO resource (type, id, version, seq, updated, deleted) VALUES (?, ?, 0, 0, 0, 0)';
    return Number(prepare(sql).run(type, id).lastInsertRowid);
  }

  function danglingReference(): StoreFailure | undefined {
    for (const reference of touched.references) {
      if (reference.startsWith('urn:uuid:'))
        return failure('invalid', 'A reference names a urn that no entry of the transaction has as its fullUrl');
      const local = parseLocalReference(reference);
      if (!local) continue;
      if (!isKeptType(local.type))
        return failure('invalid', 'A reference leads to a type that is not kept here: refer to it by identifier');
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
      if (ifMatch !== undefined && String(current?.version) !== ifMatch) return stale(plain.resourceType);
      if (mustBeNew && current) return failure('conflict', `This ${plain.resourceType} exists already`);
      const before = current && contentOf(current.seq);
      if (current && before && !isNewVersion) {
        const same = stamp(plain, current.version, Date.parse(before.meta.lastUpdated));
        if (deepEquals(before, same)) return { ok: true, value: { rid: current.rid, stored: before } };
      }
      return writeVersion(row, 'PUT', plain, before);
    },

    remove(type, id, { ifMatch }) {
      const row = rowOf(type, id);
      if (!row) return failure('not-found', `There is no such ${safeType(type)}`);
      if (row.deleted) return ifMatch === undefined ? { ok: true, value: { rid: row.rid } } : stale(type);
      if (ifMatch !== undefined && String(row.version) !== ifMatch) return stale(type);
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
      index.clear(row.rid);
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

/** The type as it may be shown in an outcome: what a client made up is not repeated. */
const safeType = (type: string): string => (isKeptType(type) ? type : 'resource');

function stamp({ resourceType, id, meta, ...rest }: Resource & { id: string }, version: number, ms: number): Stored {
  const stamped = { ...meta, versionId: String(version), lastUpdated: new Date(ms).toISOString() };
  return { resourceType, id, meta: stamped, ...rest } as Stored;
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
