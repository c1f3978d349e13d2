/**
 * The journal's log over HTTP: checkpoints, proofs of single lines and of
 * continuity, and cosignatures of witnesses. All of it is public, as the journal
 * is; a witness is known by its signature and needs no token.
 */
import { z } from "zod";
import { DomainError, toRfc3339 } from "#kernel";
import {
  cosignatureTime,
  formatTlogProof,
  formatVerifierKey,
  parseSignatureLine,
  toSafeInteger,
} from "#proof";
import type { CheckpointView, InclusionProof, JournalLog } from "#settlement";
import { RawContent } from "../reply.ts";
import { defineRoute, type Route } from "../route.ts";
import { decodeCursor, encodeCursor, listOf, pagination, queryInteger } from "../schemas.ts";
import { checkpointOut, consistencyOut, inclusionOut, logOut } from "./log-schemas.ts";

export interface LogRouteDeps {
  readonly log: JournalLog;
  /** The ledger's name, by which its tiles are found. */
  readonly ledger: string;
}

const tags = ["Log"] as const;
const isPublic = { public: true } as const;
const lineNumber = queryInteger(0, Number.MAX_SAFE_INTEGER - 1);
const logSize = queryInteger(1, Number.MAX_SAFE_INTEGER - 1);
/** The last second that a calendar of four-digit years holds. */
const LAST_SECOND = 253_402_300_799n;
const MAX_COSIGNATURE_LENGTH = 512;

export function logRoutes(deps: LogRouteDeps): Route[] {
  return [
    infoRoute(deps),
    checkpointsRoute(deps),
    checkpointRoute(deps),
    cosignRoute(deps),
    inclusionRoute(deps),
    consistencyRoute(deps),
  ];
}

function infoRoute({ log, ledger }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/log",
    summary: "The log's name, key, witnesses and newest checkpoint",
    description: "404 in a ledger that settles nowhere: nothing of its journal is published.",
    tags,
    auth: isPublic,
    response: logOut,
    errors: ["not_found"],
    async handler() {
      const { signer } = log;
      if (!signer) throw new DomainError("not_found", "This ledger settles nowhere: it has no log");
      const latest = await log.latest();
      return {
        origin: signer.origin,
        verifier_key: formatVerifierKey(signer.key),
        tiles: `/log/${ledger}`,
        witnesses: log.witnesses.map(formatVerifierKey),
        checkpoint: latest && checkpointAnswer(latest),
      };
    },
  });
}

function checkpointsRoute({ log }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/log/checkpoints",
    summary: "Checkpoints, newest first",
    tags,
    auth: isPublic,
    query: z.strictObject(pagination),
    response: listOf(checkpointOut),
    async handler({ query: { limit, cursor } }) {
      const [below] = cursor === undefined ? [] : decodeCursor(cursor, /^[1-9]\d{0,14}$/);
      const found = await log.checkpoints(below === undefined ? null : Number.parseInt(below, 10), limit + 1);
      const page = found.slice(0, limit);
      const last = page.at(-1);
      const more = found.length > limit && last !== undefined;
      return { data: page.map(checkpointAnswer), next_cursor: more ? encodeCursor(`${last.size}`) : null };
    },
  });
}

function checkpointRoute({ log }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/log/checkpoints/{size}",
    summary: "The checkpoint of so many lines",
    description: "There is one for every epoch: `size` is the epoch's `journal_size`.",
    tags,
    auth: isPublic,
    params: z.strictObject({ size: logSize }),
    response: checkpointOut,
    errors: ["not_found"],
    async handler({ params: { size } }) {
      const checkpoint = await log.checkpoint(size);
      if (!checkpoint) throw new DomainError("not_found", `There is no checkpoint of ${size} lines`);
      return checkpointAnswer(checkpoint);
    },
  });
}

function cosignRoute({ log }: LogRouteDeps): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/log/checkpoints/{size}/cosignatures",
    summary: "Add a witness's cosignature",
    description:
      "For witnesses that the server's settings name, and nobody else: the signature is checked before anything is written, and needs no token. A later one of the same witness takes the place of the earlier one. The answer is the checkpoint with it.",
    tags,
    auth: isPublic,
    params: z.strictObject({ size: logSize }),
    body: z.strictObject({
      cosignature: z
        .string()
        .max(MAX_COSIGNATURE_LENGTH)
        .meta({
          description:
            "A C2SP signature line without its newline: an em dash, a space, the name, a space, base64.",
          examples: ["— witness.example/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZC…"],
        }),
    }),
    response: checkpointOut,
    errors: ["not_found", "forbidden"],
    maxBodyBytes: 4_096,
    handler: async ({ params, body }) => checkpointAnswer(await log.cosign(params.size, body.cosignature)),
  });
}

function inclusionRoute({ log }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/log/inclusion",
    summary: "Proof that a line stands in the log",
    description:
      "Of line `index` in the log of `size` lines; without `size` in that of the newest checkpoint. As text it is a C2SP tlog-proof with the checkpoint and the line in it, for sizes that have a checkpoint.",
    tags,
    auth: isPublic,
    query: z.strictObject({ index: lineNumber, size: logSize.optional() }),
    response: inclusionOut,
    otherwise: { "text/plain": z.string().meta({ description: "A C2SP tlog-proof." }) },
    errors: ["not_found"],
    async handler({ query: { index, size }, req }) {
      const found = await log.inclusion(index, size ?? null);
      if (req.accepts(["application/json", "text/plain"]) === "text/plain") return proofFile(log, found);
      const { leafHash, proof, ...members } = found;
      return { ...members, leaf_hash: leafHash, proof: [...proof] };
    },
  });
}

function consistencyRoute({ log }: LogRouteDeps): Route {
  return defineRoute({
    method: "get",
    path: "/api/v1/log/consistency",
    summary: "Proof that a later log continues an earlier one",
    description:
      "From the log of `from` lines to that of `to`; without `to` to that of the newest checkpoint.",
    tags,
    auth: isPublic,
    query: z.strictObject({ from: logSize, to: logSize.optional() }),
    response: consistencyOut,
    errors: ["not_found"],
    async handler({ query }) {
      const { proof, from, to } = await log.consistency(query.from, query.to ?? null);
      return { from, to, proof: [...proof] };
    },
  });
}

async function proofFile(log: JournalLog, { index, size, line, proof }: InclusionProof): Promise<RawContent> {
  const checkpoint = await log.checkpoint(size);
  if (!checkpoint) throw new DomainError("not_found", `There is no checkpoint of ${size} lines`);
  const file = formatTlogProof({
    ...{ index: BigInt(index), hashes: proof, checkpoint: checkpoint.note },
    line: new TextEncoder().encode(line),
  });
  return new RawContent(file, "text/plain; charset=utf-8");
}

function checkpointAnswer(checkpoint: CheckpointView): z.input<typeof checkpointOut> {
  const { size, root, verifierKey, signedAt, cosignatures, note } = checkpoint;
  return {
    ...{ size, root, note, verifier_key: verifierKey, signed_at: toRfc3339(signedAt) },
    cosignatures: cosignatures.map((line) => {
      const signature = parseSignatureLine(line);
      return { name: signature.name, key_id: signature.keyId, time: timeOf(cosignatureTime(signature)) };
    }),
  };
}

/** Ours is checked against the clock, so that only a clock of ours that was wrong leads to the last second. */
function timeOf(time: bigint): string {
  return toRfc3339(toSafeInteger(time > LAST_SECOND ? LAST_SECOND : time, "time"));
}
