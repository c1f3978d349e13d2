/** Fails a test where something does not hold that must hold after any history. */
import { expect } from "vitest";
import { ACCESS_RULES } from "./coherence-rules.ts";
import type { World } from "./world.ts";

export async function expectCoherent(world: World): Promise<void> {
  for (const [fault, sql] of Object.entries(ACCESS_RULES)) expect(await world.rows(sql), fault).toEqual([]);
}
