/**
 * Statements of the hot paths: built by the query builder once, then run with new values. Building costs several times what SQLite needs.
 *
 * Invariant: the builder function sees markers in place of values, so it must not look at them, branch on them or compute with them.
 */
import type { Compilable, CompiledQuery } from 'kysely';
import type { HubDb } from './hub-store.ts';

class Marker {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export interface Ran<Row> {
  readonly rows: Row[];
  /** Rows that a write changed. */
  readonly changed: number;
  /** The rowid of an insert. */
  readonly insertId: number;
}

export type Statement<Values, Row> = (db: HubDb, values: Values) => Promise<Ran<Row>>;

type Builder<Values, Row> = (db: HubDb, values: Values) => Compilable<Row>;

/** A statement that is compiled at its first run. */
export function statement<Values extends object, Row>(build: Builder<Values, Row>): Statement<Values, Row> {
  let compiled: CompiledQuery<Row> | undefined;
  return async (db, values) => {
    compiled ??= build(db, markersFor(build)).compile();
    const given: ReadonlyMap<string, unknown> = new Map(Object.entries(values));
    const parameters = compiled.parameters.map((value) => (value instanceof Marker ? given.get(value.name) : value));
    const result = await db.executeQuery<Row>({ ...compiled, parameters });
    return {
      rows: result.rows,
      changed: Number(result.numAffectedRows ?? 0n),
      insertId: Number(result.insertId ?? 0n),
    };
  };
}

// The builder takes a value as it comes and puts it into the parameters, where `statement` finds the marker again.
function markersFor<Values extends object>(_builder: Builder<Values, unknown>): Values;
function markersFor(): object {
  return new Proxy({}, { get: (_target, name) => new Marker(String(name)) });
}
