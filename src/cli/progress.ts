/**
 * How far long work has come: a bar that redraws itself on a terminal, a line
 * now and then elsewhere. Always on standard error, so that results stay clean.
 */
export interface Progress {
  update(done: number, note?: string): void;
  end(note: string): void;
}

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const WIDTH = 30;
const LINES_WITHOUT_TERMINAL = 5;

/**
 * @param from how much of it was done before; the time left is told from what is done since
 * @param nowMs a clock that only goes forward, in milliseconds
 */
export function startProgress(
  stream: ProgressStream,
  label: string,
  total: number,
  from = 0,
  nowMs = () => performance.now(),
): Progress {
  const startedAt = nowMs();
  let reported = total === 0 ? 0 : Math.floor((from / total) * LINES_WITHOUT_TERMINAL);
  return {
    update(done, note = "") {
      const share = total === 0 ? 1 : done / total;
      const left = timeLeft(nowMs() - startedAt, done - from, total - done);
      const text = `${label} ${Math.floor(share * 100)} % (${done} of ${total}) ${note}${left}`;
      if (stream.isTTY) {
        const filled = Math.round(share * WIDTH);
        stream.write(`\r[${"#".repeat(filled)}${".".repeat(WIDTH - filled)}] ${text}\x1b[K`);
      } else if (share * LINES_WITHOUT_TERMINAL >= reported + 1) {
        reported = Math.floor(share * LINES_WITHOUT_TERMINAL);
        stream.write(`${text.trimEnd()}\n`);
      }
    },
    end(note) {
      stream.write(`${stream.isTTY ? "\r\x1b[K" : ""}${note}\n`);
    },
  };
}

const SHORTEST_BASIS_MS = 2_000;

/** At the pace so far; nothing while that says little. */
function timeLeft(elapsedMs: number, done: number, left: number): string {
  if (elapsedMs < SHORTEST_BASIS_MS || done <= 0 || left <= 0) return "";
  const seconds = Math.ceil(((elapsedMs / done) * left) / 1_000);
  if (seconds < 60) return `, ${seconds} s left`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `, ${minutes} min left` : `, ${Math.ceil(minutes / 60)} h left`;
}
