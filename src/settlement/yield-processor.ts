/** For threads that work on what nobody urgently waits for. */
import { constants, setPriority } from "node:os";

/** Leaves the processor to all other threads that want it: on Linux it is the calling thread that this is about. */
export function yieldProcessor(): void {
  if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW);
}
