/** The scheduled jobs of a server, and when each runs. They hold no rule: each calls one function. */
import type { AccessProgram } from "#programs/access";
import type { Settlement } from "#settlement";
import { EXPIRE_CRON, expire } from "./expire.ts";
import { FINALIZE_CRON, finalize } from "./finalize.ts";
import type { Job } from "./schedule.ts";
import { settle } from "./settle.ts";

export { createSchedule, type Job, type Schedule, type ScheduleDeps } from "./schedule.ts";

export interface JobDeps {
  readonly access: Pick<AccessProgram, "expireDue">;
  readonly settlement: Pick<Settlement, "settle" | "advance">;
  readonly settleCron: string;
}

/** In the order in which they run when several are due: what ended settles with what else happened. */
export function jobsOf({ access, settlement, settleCron }: JobDeps): Job[] {
  return [
    { name: "expire", cron: EXPIRE_CRON, run: () => expire(access) },
    { name: "settle", cron: settleCron, run: () => settle(settlement) },
    { name: "finalize", cron: FINALIZE_CRON, run: () => finalize(settlement) },
  ];
}
