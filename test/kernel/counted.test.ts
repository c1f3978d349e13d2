import { expect, it } from "vitest";
import { counted } from "#kernel";

it("says one of a thing, and many of them", () => {
  expect([0, 1, 2n, 1n].map((count) => counted(count, "epoch"))).toEqual([
    "0 epochs",
    "1 epoch",
    "2 epochs",
    "1 epoch",
  ]);
  expect(counted(1n, "leaf", "leaves")).toBe("1 leaf");
  expect(counted(3, "leaf", "leaves")).toBe("3 leaves");
});
