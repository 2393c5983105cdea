/** The receipts that this machine owes the hub, oldest first, until the hub has taken them. They are written by inbox.ts. */
import type { Database } from '../../platform/store/database.ts';
import { Receipt } from '../../protocol/machine-api.ts';
import type { DaemonSchema } from './schema.ts';

export interface OwedReceipt {
  readonly seq: number;
  readonly receipt: Receipt;
}

export class Receipts {
  readonly #database: Database<DaemonSchema>;

  constructor(database: Database<DaemonSchema>) {
    this.#database = database;
  }

  async next(limit: number): Promise<OwedReceipt[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('receipts').selectAll().orderBy('seq').limit(limit).execute(),
    );
    return rows.map((row) => ({ seq: row.seq, receipt: Receipt.parse(JSON.parse(row.receipt)) }));
  }

  /** The hub has taken everything up to here. */
  async taken(upTo: number): Promise<void> {
    await this.#database.write(async ({ db }) => {
      await db.deleteFrom('receipts').where('seq', '<=', upTo).execute();
    });
  }
}
