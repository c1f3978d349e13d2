/**
 * When an objection of the old wallet ends an announced change: one table for the server that keeps the change, or not,
 * and for the auditor of a journal in which it was completed all the same.
 */

export interface ObjectionCase {
  readonly name: string;
  /** Of the objection's block, in seconds. */
  readonly at: { readonly fromAnnouncement: number } | { readonly fromDue: number };
  /** Where its line stands; `none` when the change is completed. */
  readonly line: "before the announcement" | "behind it" | "none";
  readonly by: "old" | "new";
  /** Whether the change may complete. */
  readonly stands: boolean;
}

const HALF_AN_HOUR = 1_800;
const from = (fromAnnouncement: number) => ({ fromAnnouncement });
const due = (fromDue: number) => ({ fromDue });

export const OBJECTIONS: readonly ObjectionCase[] = [
  {
    name: "at once, where the chain's clock is half an hour behind",
    ...{ at: from(-HALF_AN_HOUR), line: "behind it", by: "old", stands: false },
  },
  {
    name: "in the announcement's very second",
    ...{ at: from(0), line: "behind it", by: "old", stands: false },
  },
  {
    name: "before the announcement, final and written down behind it",
    ...{ at: from(-4 * HALF_AN_HOUR), line: "behind it", by: "old", stands: false },
  },
  {
    name: "to something before, where the chain's clock is ahead",
    ...{ at: from(HALF_AN_HOUR), line: "before the announcement", by: "old", stands: true },
  },
  {
    name: "to something before, long ago",
    ...{ at: from(-4 * HALF_AN_HOUR), line: "before the announcement", by: "old", stands: true },
  },
  { name: "in the last second", ...{ at: due(-1), line: "behind it", by: "old", stands: false } },
  {
    name: "in the last second, and nobody has written it down",
    ...{ at: due(-1), line: "none", by: "old", stands: false },
  },
  {
    name: "too late, and written down before the change completes",
    ...{ at: due(1), line: "behind it", by: "old", stands: false },
  },
  { name: "too late", ...{ at: due(1), line: "none", by: "old", stands: true } },
  { name: "by the new wallet", ...{ at: from(60), line: "behind it", by: "new", stands: true } },
];
