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

export function startProgress(stream: ProgressStream, label: string, total: number): Progress {
  let reported = 0;
  return {
    update(done, note = "") {
      const share = total === 0 ? 1 : done / total;
      const text = `${label} ${Math.floor(share * 100)} % (${done} of ${total}) ${note}`;
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
