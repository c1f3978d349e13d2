/**
 * A process that sends from one ledger to another and kills itself at a step:
 * `node send-child.ts '<SendWork as JSON>'`.
 */
import { setImmediate as nextTick } from "node:timers/promises";
import { openPair, type SendWork } from "./open-pair.ts";

const work: SendWork = JSON.parse(process.argv[2] ?? "");
/** Not at the first one: some are through then, some are between two steps. */
const KILL_AT = 3;
let seen = 0;

const { north, idle } = await openPair(work, (step) => {
  if (step === work.killAt && ++seen === KILL_AT) void killLater(work.afterTicks);
});
for (const id of work.ids)
  await north.send(
    {
      ...{ id, fromAccount: work.fromAccount, toLedger: "south", toAccount: work.toAccount },
      ...{ amount: 100n, reference: null },
    },
    undefined,
  );
await north.deliver();
await idle();
// Another process may have done what this one was to be killed at.
if (work.killAt !== null) kill();
process.exit(0);

async function killLater(ticks: number): Promise<void> {
  // At once where it is 0: nothing of the step that comes next is sent.
  for (let tick = 0; tick < ticks; tick++) await nextTick();
  kill();
}

function kill(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("a process that was killed goes on");
}
