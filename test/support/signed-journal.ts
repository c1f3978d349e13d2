/** A journal of made-up lines with its log: the tree, a key that signs checkpoints, and proof files of lines. */
import { formatCheckpoint, formatNote, formatTlogProof, formatVerifierKey, type Hex, LogTree } from "#proof";
import { createLogSigner } from "#settlement";

export interface SignedJournal {
  readonly tree: LogTree;
  /** As text. */
  readonly key: string;
  line(number: number): string;
  /** A C2SP tlog-proof of a line in the log of `size` lines; `hashes` in place of the right ones. */
  file(index: number, size: number, hashes?: readonly Hex[]): string;
}

/** @param text stands in every line: logs of other texts are other logs */
export function signedJournal(lines: number, text = "Zürich"): SignedJournal {
  const signer = createLogSigner("log.example/made-up", new Uint8Array(32).fill(9));
  const line = (number: number) => `{"line":"${number}","text":"${text}"}`;
  const tree = new LogTree();
  for (let number = 0; number < lines; number++) tree.append(line(number));
  return {
    ...{ tree, line, key: formatVerifierKey(signer.key) },
    file(index, size, hashes = tree.inclusionProof(BigInt(index), BigInt(size))) {
      const body = formatCheckpoint({
        ...{ origin: signer.origin, size: BigInt(size) },
        root: tree.rootAt(BigInt(size)),
      });
      const checkpoint = formatNote({ text: body, signatures: [signer.sign(body)] });
      const bytes = new TextEncoder().encode(line(index));
      return formatTlogProof({ index: BigInt(index), hashes, checkpoint, line: bytes });
    },
  };
}
