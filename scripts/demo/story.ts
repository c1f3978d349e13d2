/**
 * How the demo tells its story: chapters, what was done and how long it took,
 * checks, and the summary that decides the exit code. A check that fails is
 * shown and counted, and the story goes on where it can.
 */
export interface Story {
  chapter(title: string): void;
  say(text: string): void;
  /** Something that is claimed; `detail` says what was seen. */
  check(claim: string, holds: boolean, detail?: string): void;
  /** Runs a step, says its name and its time. */
  step<T>(name: string, work: () => Promise<T>, outcome?: (value: T) => string): Promise<T>;
  /** A figure for the summary. */
  figure(name: string, value: string): void;
  /** Prints the summary. @returns whether every check held */
  end(): boolean;
}

const GREEN = "\x1b[32m";
const RED = "\x1b[31m";
const BOLD = "\x1b[1m";
const PLAIN = "\x1b[0m";

export function createStory(out: NodeJS.WriteStream): Story {
  const checks: { claim: string; holds: boolean }[] = [];
  const figures: [string, string][] = [];
  const started = performance.now();
  let chapters = 0;
  const paint = (colour: string, text: string) => (out.isTTY ? `${colour}${text}${PLAIN}` : text);
  const line = (text: string) => out.write(`${text}\n`);
  return {
    chapter(title) {
      chapters += 1;
      line(`\n${paint(BOLD, `${chapters}. ${title}`)}`);
    },
    say: (text) => line(`   ${text}`),
    check(claim, holds, detail) {
      checks.push({ claim, holds });
      const mark = holds ? paint(GREEN, "✓") : paint(RED, "✗");
      line(`   ${mark} ${claim}${detail ? ` (${detail})` : ""}`);
    },
    async step(name, work, outcome) {
      const begun = performance.now();
      const value = await work();
      line(`   ${name}${outcome ? `: ${outcome(value)}` : ""} [${duration(performance.now() - begun)}]`);
      return value;
    },
    figure: (name, value) => {
      figures.push([name, value]);
    },
    end() {
      const broken = checks.filter(({ holds }) => !holds);
      line(`\n${paint(BOLD, "Summary")}`);
      const width = Math.max(...figures.map(([name]) => name.length));
      for (const [name, value] of figures) line(`   ${name.padEnd(width)}  ${value}`);
      for (const { claim } of broken) line(`   ${paint(RED, "✗")} ${claim}`);
      const verdict = broken.length === 0 ? "all held" : `${broken.length} did not hold`;
      const result = `${checks.length} checks, ${verdict}, in ${duration(performance.now() - started)}`;
      line(`   ${paint(broken.length === 0 ? GREEN : RED, result)}`);
      return broken.length === 0;
    },
  };
}

export function duration(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
