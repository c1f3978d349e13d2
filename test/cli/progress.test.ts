import { describe, expect, it } from "vitest";
import { startProgress } from "../../src/cli/progress.ts";

/** @returns what was written, and progress by a clock that the test sets */
function started(isTTY: boolean, total: number, from = 0) {
  const written: string[] = [];
  const clock = { ms: 500 };
  const stream = { write: (text: string) => written.push(text), isTTY };
  return { written, clock, progress: startProgress(stream, "journal", total, from, () => clock.ms) };
}

describe("progress", () => {
  it("is a line at each fifth where there is no terminal", () => {
    const { written, progress } = started(false, 1_000);
    for (let done = 0; done <= 1_000; done += 50) progress.update(done, `epoch ${done / 50}`);
    expect(written).toEqual(
      [200, 400, 600, 800, 1_000].map(
        (done) => `journal ${done / 10} % (${done} of 1000) epoch ${done / 50}\n`,
      ),
    );
    progress.end("done");
    expect(written.at(-1)).toBe("done\n");
  });

  it("is a bar that redraws itself on a terminal, and goes at the end", () => {
    const { written, progress } = started(true, 10);
    progress.update(5);
    expect(written).toEqual([`\r[${"#".repeat(15)}${".".repeat(15)}] journal 50 % (5 of 10) \x1b[K`]);
    progress.end("done");
    expect(written[1]).toBe("\r\x1b[Kdone\n");
  });

  it("tells the time left at the pace so far, of what was done since it began", () => {
    const { written, clock, progress } = started(true, 10_000, 5_000);
    const leftAfter = (ms: number, done: number) => {
      clock.ms = 500 + ms;
      progress.update(done);
      return /, (.+ left)/.exec(written.at(-1) ?? "")?.[1];
    };
    // Too soon to say.
    expect(leftAfter(1_999, 5_500)).toBeUndefined();
    expect(leftAfter(2_000, 5_000)).toBeUndefined();
    expect(leftAfter(2_000, 5_500)).toBe("18 s left");
    expect(leftAfter(60_000, 6_000)).toBe("4 min left");
    expect(leftAfter(3_600_000, 6_000)).toBe("4 h left");
    expect(leftAfter(4_000_000, 10_000)).toBeUndefined();
  });

  it("of nothing is done at once", () => {
    const { written, progress } = started(false, 0);
    progress.update(0);
    expect(written).toEqual(["journal 100 % (0 of 0)\n"]);
  });
});
