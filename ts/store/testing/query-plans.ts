import { DatabaseSync } from "node:sqlite";
import { vi } from "vitest";

/** Watches what is prepared on any database from here on. */
export function watchStatements() {
  const seen = new Set<string>();
  const prepare = DatabaseSync.prototype.prepare;
  const spy = vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (
    this: DatabaseSync,
    sql,
    options,
  ) {
    seen.add(sql);
    return prepare.call(this, sql, options);
  });
  return {
    /**
     * Statements that read one of these tables from end to end. Those that count its rows by an index are left out: they must.
     *
     * @param file A database with the schema, closed.
     */
    scans(file: string, tables: readonly string[]): string[] {
      spy.mockRestore();
      const sqlite = new DatabaseSync(file, { readOnly: true });
      const isScan = (sql: string) => {
        const plan = sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[];
        const counts = (detail: string) => sql.includes("count(*)") && detail.includes("COVERING INDEX");
        return plan.some(({ detail }) => tables.includes(/^SCAN (\w+)/.exec(detail)?.[1] ?? "") && !counts(detail));
      };
      const found = [...seen].filter((sql) => /^\s*(SELECT|INSERT|UPDATE|DELETE)/.test(sql)).filter(isScan);
      sqlite.close();
      return found;
    },
  };
}
