/** Shapes of the log's answers: checkpoints, proofs, witnesses. */
import { z } from "zod";
import { hexOut, timeOut } from "../schemas.ts";

const verifierKey = z.string().meta({
  description: "A key as C2SP signed notes have it: name, +, id, +, base64.",
  examples: ["log.example.com/default+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"],
});

const noteOut = z.string().meta({
  description: "A C2SP signed note (text, an empty line, signature lines), with all cosignatures.",
});

const lines = (description: string) => z.int().meta({ description });

const cosignatureOut = z.strictObject({
  name: z.string().meta({ description: "The witness." }),
  key_id: hexOut,
  time: timeOut.meta({ description: "When the witness saw the checkpoint, by its own clock." }),
});

export const checkpointOut = z
  .strictObject({
    size: lines("How many journal lines, from 0 on."),
    root: hexOut.meta({ description: "Of the log tree over them; the same as an epoch header's." }),
    verifier_key: verifierKey.meta({ description: "The log's key that signed it." }),
    signed_at: timeOut,
    cosignatures: z.array(cosignatureOut),
    note: noteOut,
  })
  .meta({ id: "Checkpoint" });

export const logOut = z.strictObject({
  origin: z
    .string()
    .meta({ description: "The first line of every checkpoint, and the name of the log's key." }),
  verifier_key: verifierKey.meta({ description: "The key that signs now." }),
  tiles: z.string().meta({ description: "Where the log's C2SP tiles are, on this server." }),
  witnesses: z.array(verifierKey).meta({ description: "Whose cosignatures are taken." }),
  checkpoint: checkpointOut.nullable().meta({ description: "The newest; null before the first epoch." }),
});

const proofOut = z.array(hexOut).meta({ description: "Hashes as in RFC 9162, leaf level first." });

export const inclusionOut = z.strictObject({
  index: lines("The line's number."),
  size: lines("Of the log in which it is proved."),
  root: hexOut,
  line: z.string().meta({ description: "The journal line, without its newline." }),
  leaf_hash: hexOut.meta({ description: "SHA-256 of a byte 0 and the line." }),
  proof: proofOut,
});

const sizeAndRoot = z.strictObject({ size: lines("Of the log."), root: hexOut });

export const consistencyOut = z.strictObject({ from: sizeAndRoot, to: sizeAndRoot, proof: proofOut });
