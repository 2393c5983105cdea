/** Single remembered values (the machine's own description, a revocation), and what is known about projects beyond the configuration. */
import type { z } from 'zod';
import type { Database } from '../../platform/store/database.ts';
import { ProjectPatch } from '../../protocol/local-api.ts';
import { Project } from '../../protocol/model.ts';
import type { DaemonSchema } from './schema.ts';

/** What somebody said about a project while running; goes over what discovery or the configuration says. */
export const ProjectDetails = ProjectPatch.pick({ description: true, capabilities: true, tags: true, agent: true });
export type ProjectDetails = z.infer<typeof ProjectDetails>;

export interface KnownProject {
  readonly path: string;
  readonly id: string;
  readonly source: Project['source'];
  readonly details: ProjectDetails;
  /** Taken off the list by hand. */
  readonly hidden: boolean;
  readonly seenAt: number;
}

export class Facts {
  readonly #database: Database<DaemonSchema>;

  constructor(database: Database<DaemonSchema>) {
    this.#database = database;
  }

  /** The remembered value, or undefined when there is none or it is not what `schema` says. */
  async get<T>(name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('facts').select('value').where('name', '=', name).executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const parsed = schema.safeParse(JSON.parse(row.value));
    return parsed.success ? parsed.data : undefined;
  }

  /** Undefined forgets it. */
  async set(name: string, value: unknown): Promise<void> {
    await this.#database.write(async ({ db }) => {
      if (value === undefined) {
        await db.deleteFrom('facts').where('name', '=', name).execute();
        return;
      }
      const text = JSON.stringify(value);
      await db
        .insertInto('facts')
        .values({ name, value: text })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: text }))
        .execute();
    });
  }

  async projects(): Promise<KnownProject[]> {
    const rows = await this.#database.read((db) => db.selectFrom('projects').selectAll().orderBy('seen_at').execute());
    return rows.map((row) => ({
      path: row.path,
      id: row.id,
      source: Project.shape.source.parse(row.source),
      details: ProjectDetails.parse(JSON.parse(row.details)),
      hidden: row.hidden === 1,
      seenAt: row.seen_at,
    }));
  }

  async putProject(project: KnownProject): Promise<void> {
    const values = {
      id: project.id,
      source: project.source,
      details: JSON.stringify(project.details),
      hidden: project.hidden ? 1 : 0,
      seen_at: project.seenAt,
    };
    await this.#database.write(async ({ db }) => {
      await db.deleteFrom('projects').where('id', '=', project.id).where('path', '!=', project.path).execute();
      await db
        .insertInto('projects')
        .values({ path: project.path, ...values })
        .onConflict((conflict) => conflict.column('path').doUpdateSet(values))
        .execute();
    });
  }

  async forgetProject(path: string): Promise<void> {
    await this.#database.write(async ({ db }) => {
      await db.deleteFrom('projects').where('path', '=', path).execute();
    });
  }
}
