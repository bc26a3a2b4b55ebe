import type { Span } from '../fhir/dates.ts';
import type { Parameter } from '../fhir/definitions.ts';
import type { Condition, DateValue, SearchRequest, SortKey } from '../fhir/search-request.ts';
import { inTime } from './database.ts';
import { fold } from './index-rows.ts';

/** SQL text with its values. The text depends on the shape of the search alone, so that statements are found again. */
export interface Sql {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/** Conditions on what the index tables hold; the other two are columns of `resource`. */
type IndexedCondition = Exclude<Condition, { kind: 'id' | 'updated' }>;

/** The rows that meet a condition: `SELECT rid FROM from WHERE where`. Negated: those that have none. */
interface RowSet {
  readonly from: Sql;
  readonly rid: string;
  readonly where: Sql;
  readonly isNegated?: boolean;
}

/** Looked up in an index, or tested on the row at hand. */
type How = 'IN' | 'EXISTS';

export interface Compiler {
  /** The condition of a search on `resource r`, and whether it is driven by an index other than the type's. */
  where(request: SearchRequest): Sql & { readonly isDriven: boolean };
  orderBy(sort: readonly SortKey[]): Sql;
}

/** Smaller is more selective: the first is looked up, the others are tested on what it finds. */
const RANK: Record<Condition['kind'], number> = {
  id: 0,
  token: 2,
  reference: 3,
  chain: 4,
  has: 5,
  string: 6,
  updated: 7,
  date: 8,
  missing: 9,
};

const rankOf = (condition: Condition): number =>
  condition.kind === 'token' && condition.isNegated
    ? RANK.missing
    : condition.kind === 'token' && condition.parameter.code === 'identifier'
      ? 1
      : RANK[condition.kind];

/** @param keyOf the number under which the file knows a parameter. @param nowMs for the prefix `ap`. */
export function compiler(keyOf: (parameter: Parameter) => number, nowMs: () => number): Compiler {
  let aliases = 0;
  const alias = () => `t${aliases++}`;

  /** @param how a chain or `_has` finds what it passes through: from its far end, or from the row at hand */
  function rowSet(condition: IndexedCondition, how: How): RowSet {
    const a = alias();
    switch (condition.kind) {
      case 'token': {
        const values = condition.tokens.map(({ system, code }) => [
          ...(code === undefined ? [] : ([[`${a}.code`, code]] as const)),
          ...(system === undefined ? [] : ([[`${a}.system`, system]] as const)),
        ]);
        return { ...indexed('token', a, condition.parameter, anyOf(values)), isNegated: condition.isNegated };
      }
      case 'reference': {
        const values = condition.targets.map(({ type, id }) => [
          [`${a}.target_id`, id] as const,
          ...(type === undefined ? [] : ([[`${a}.target_type`, type]] as const)),
        ]);
        return indexed('reference', a, condition.parameter, anyOf(values));
      }
      case 'string': {
        const { match, parameter, texts } = condition;
        const alternative = (text: string) => stringSql(match, a, (at) => sql('?', boundsOf(text)[at]));
        if (texts.length <= MAX_ALTERNATIVES) return indexed('string', a, parameter, or(texts.map(alternative)));
        // The index is asked for each text in turn, which no condition on the rows of the index could do.
        const list = alias();
        const from = sql(`json_each(?) ${list} CROSS JOIN string ${a}`, JSON.stringify(texts.map(boundsOf)));
        const ofList = stringSql(match, a, (at) => sql(`(${list}.value ->> ${at})`));
        return set(from, a, and([sql(`${a}.param = ?`, keyOf(parameter)), ofList]));
      }
      case 'date':
        return indexed(
          'date',
          a,
          condition.parameter,
          or(condition.dates.map((date) => dateSql(date, `${a}.low`, `${a}.high`))),
        );
      case 'missing':
        return { ...presence(condition.parameter, a), isNegated: condition.isMissing };
      // CROSS JOIN keeps the order as written: from what is looked up or at hand to the other end. Left alone, SQLite
      // tries each reference of a parameter with each resource that meets the inner condition.
      case 'chain': {
        const t = alias();
        const targets = condition.targets.map(({ type, condition: inner }) =>
          and([sql(`${t}.type = ?`, type), holds(inner, t, how)]),
        );
        const leads = `${a}.target_type = ${t}.type AND ${a}.target_id = ${t}.id`;
        return set(
          sql(
            how === 'IN'
              ? `resource ${t} CROSS JOIN reference ${a} ON ${leads}`
              : `reference ${a} CROSS JOIN resource ${t} ON ${leads}`,
          ),
          a,
          and([sql(`${a}.param = ?`, keyOf(condition.parameter)), sql(`${t}.deleted = 0`), or(targets)]),
        );
      }
      case 'has': {
        const t = alias();
        const source = alias();
        const leads = `${a}.target_type = ${t}.type AND ${a}.target_id = ${t}.id`;
        return set(
          sql(
            how === 'IN'
              ? `resource ${source} CROSS JOIN reference ${a} ON ${a}.rid = ${source}.rid CROSS JOIN resource ${t} ON ${leads}`
              : `resource ${t} CROSS JOIN reference ${a} ON ${leads} CROSS JOIN resource ${source} ON ${source}.rid = ${a}.rid`,
          ),
          t,
          and([
            sql(`${a}.param = ?`, keyOf(condition.parameter)),
            sql(`${source}.type = ?`, condition.from),
            sql(`${t}.type = ?`, condition.target),
            holds(condition.condition, source, how),
          ]),
        );
      }
    }
  }

  const indexed = (table: string, a: string, parameter: Parameter, values: Sql): RowSet =>
    set(sql(`${table} ${a}`), a, and([sql(`${a}.param = ?`, keyOf(parameter)), values]));

  function presence(parameter: Parameter, a: string): RowSet {
    const key = keyOf(parameter);
    if (parameter.kind !== 'reference') return set(sql(`${tableOf(parameter)} ${a}`), a, sql(`${a}.param = ?`, key));
    const both = `(SELECT rid, param FROM reference UNION ALL SELECT rid, param FROM token) ${a}`;
    return set(sql(both), a, sql(`${a}.param = ?`, key));
  }

  /** Whether the resource `row` meets the condition: by looking the condition up (IN), or by testing the row at hand (EXISTS). */
  function holds(condition: Condition, row: string, how: How): Sql {
    if (condition.kind === 'id') return anyOf(condition.ids.map((id) => [[`${row}.id`, id]]));
    if (condition.kind === 'updated')
      return or(condition.dates.map((date) => dateSql(date, `${row}.updated`, `${row}.updated`)));
    const { from, rid, where, isNegated } = rowSet(condition, how);
    const values = [...from.values, ...where.values];
    if (how === 'IN' && !isNegated)
      return { text: `${row}.rid IN (SELECT ${rid} FROM ${from.text} WHERE ${where.text})`, values };
    const not = isNegated ? 'NOT ' : '';
    return { text: `${not}EXISTS (SELECT 1 FROM ${from.text} WHERE ${where.text} AND ${rid} = ${row}.rid)`, values };
  }

  return {
    where({ type, conditions }) {
      aliases = 0;
      const [first, ...others] = conditions.toSorted((a, b) => rankOf(a) - rankOf(b));
      const isDriven = first !== undefined && rankOf(first) < RANK.updated;
      const all = and([
        sql('r.type = ?', type),
        sql('r.deleted = 0'),
        sql(inTime('r')),
        ...(first ? [holds(first, 'r', isDriven ? 'IN' : 'EXISTS')] : []),
        ...others.map((condition) => holds(condition, 'r', 'EXISTS')),
      ]);
      return { ...all, isDriven };
    },

    orderBy(sort) {
      const keys = sort.map(({ by, isDescending }): Sql => {
        const direction = isDescending ? 'DESC' : 'ASC';
        if (by === '_id') return sql(`r.id ${direction}`);
        if (by === '_lastUpdated') return sql(`r.updated ${direction}, r.seq ${direction}`);
        const column = {
          token: 'code',
          uri: 'code',
          reference: 'target_id',
          string: 'folded',
          date: isDescending ? 'high' : 'low',
        };
        const value = `(SELECT ${isDescending ? 'max' : 'min'}(${column[by.kind]}) FROM ${tableOf(by)} WHERE rid = r.rid AND param = ?)`;
        return { text: `${value} ${direction} NULLS LAST`, values: [keyOf(by)] };
      });
      const isTotal = sort.some(({ by }) => typeof by === 'string');
      const texts = [...keys.map((key) => key.text), ...(isTotal ? [] : ['r.rid DESC'])];
      return { text: texts.join(', '), values: keys.flatMap((key) => key.values) };
    },
  };

  function dateSql({ prefix, span }: DateValue, low: string, high: string): Sql {
    const within = sql(`(${low} >= ? AND ${high} <= ?)`, span.low, span.high);
    switch (prefix) {
      case 'eq':
        return within;
      case 'ne':
        return { ...within, text: `NOT ${within.text}` };
      case 'gt':
        return sql(`${high} > ?`, span.high);
      case 'lt':
        return sql(`${low} < ?`, span.low);
      case 'ge':
        return or([sql(`${high} > ?`, span.high), within]);
      case 'le':
        return or([sql(`${low} < ?`, span.low), within]);
      case 'sa':
        return sql(`${low} > ?`, span.high);
      case 'eb':
        return sql(`${high} < ?`, span.low);
      case 'ap': {
        const wide = widen(span, nowMs());
        return sql(`(${high} >= ? AND ${low} <= ?)`, wide.low, wide.high);
      }
    }
  }
}

/** A tenth of the distance to now on either side. Source: FHIR R4 search, prefix ap. */
function widen({ low, high }: Span, nowMs: number): Span {
  const margin = Math.round(Math.abs(nowMs - low) / 10);
  return { low: low - margin, high: high + margin };
}

const MAX_CHARACTER = '\u{10FFFF}';

/** What a string search compares with: the start of the folded texts that match, their end, and the text itself. */
const boundsOf = (text: string) => [fold(text), fold(text) + MAX_CHARACTER, text] as const;

function stringSql(match: StringMatch, a: string, bound: (at: 0 | 1 | 2) => Sql): Sql {
  const compare = (before: string, { text, values }: Sql, after = ''): Sql => ({
    text: `${before} ${text}${after}`,
    values,
  });
  switch (match) {
    case 'exact':
      return and([compare(`${a}.folded =`, bound(0)), compare(`${a}.exact =`, bound(2))]);
    case 'contains':
      return compare(`instr(${a}.folded,`, bound(0), ') > 0');
    case 'start':
      return and([compare(`${a}.folded >=`, bound(0)), compare(`${a}.folded <`, bound(1))]);
  }
}

type StringMatch = Extract<Condition, { kind: 'string' }>['match'];

/** A column and the value that it must have. */
type Pair = readonly [column: string, value: string];

/** More than so many alternatives go in as one JSON value: neither the statement nor its depth grows with them. */
const MAX_ALTERNATIVES = 16;

/** Rows whose columns have one of these sets of values. */
function anyOf(alternatives: readonly (readonly Pair[])[]): Sql {
  if (alternatives.length <= MAX_ALTERNATIVES) {
    return or(alternatives.map((pairs) => and(pairs.map(([column, value]) => sql(`${column} = ?`, value)))));
  }
  const byColumns = Map.groupBy(alternatives, (pairs) => pairs.map(([column]) => column).join(', '));
  return or(
    [...byColumns].map(([columns, rows]) => {
      if (columns === '') return and([]);
      const picked = rows[0]?.map((_, at) => `value ->> ${at}`).join(', ');
      const values = rows.map((pairs) => pairs.map(([, value]) => value));
      return sql(`(${columns}) IN (SELECT ${picked} FROM json_each(?))`, JSON.stringify(values));
    }),
  );
}

const tableOf = (parameter: Parameter): string => (parameter.kind === 'uri' ? 'token' : parameter.kind);

const sql = (text: string, ...values: (string | number)[]): Sql => ({ text, values });

const set = (from: Sql, a: string, where: Sql): RowSet => ({
  from,
  rid: `${a}.rid`,
  where: and([sql(inTime(a)), where]),
});

const and = (parts: readonly Sql[]): Sql => join(parts, ' AND ');

const or = (parts: readonly Sql[]): Sql => join(parts, ' OR ');

function join(parts: readonly Sql[], word: string): Sql {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const text = parts.map((part) => part.text).join(word);
  return { text: text === '' ? '1' : `(${text})`, values: parts.flatMap((part) => part.values) };
}
