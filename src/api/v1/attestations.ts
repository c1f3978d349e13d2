/**
 * What others say of an epoch: attesters hand in their signatures, anybody reads
 * them, and after a veto the operator gives its number free. Whose signature
 * counts is the settlement's to know; a signature needs no token, because it says
 * itself whose it is.
 */
import { getAddress } from "ethers";
import { z } from "zod";
import { toRfc3339 } from "#kernel";
import type { AttestationView } from "#settlement";
import { defineRoute, type Route } from "../route.ts";
import { queryInteger } from "../schemas.ts";
import { assetQuery, RUN_TIMEOUT_MS, type SettlementBooks, settlementOf } from "./settlement-books.ts";
import { attestationIn, attestationOut, attestationsOut, releaseOut } from "./settlement-schemas.ts";

const tags = ["Settlement"] as const;
const params = z.strictObject({ n: queryInteger(1, Number.MAX_SAFE_INTEGER) });
const query = z.strictObject(assetQuery);
const MAX_BODY_BYTES = 1_000;

export function attestationRoutes(books: SettlementBooks): Route[] {
  const give = defineRoute({
    method: "post",
    path: "/api/v1/settlement/epochs/{n}/attestations",
    summary: "Attest an epoch",
    description:
      "Keeps the signature of an attester of the registry over this epoch's header; the same again changes nothing. As soon as the challenge window is over and enough have signed, the epoch is made final.",
    tags,
    auth: { public: true },
    params,
    query,
    body: attestationIn,
    response: attestationOut,
    errors: ["not_found", "forbidden", "unavailable"],
    maxBodyBytes: MAX_BODY_BYTES,
    handler: async ({ params: { n }, query: { asset }, body: { signature } }) =>
      attestationAnswer(await settlementOf(books, asset).attest(n, signature)),
  });
  const list = defineRoute({
    method: "get",
    path: "/api/v1/settlement/epochs/{n}/attestations",
    summary: "Who attested an epoch",
    tags,
    auth: { public: true },
    params,
    query,
    response: attestationsOut,
    errors: ["not_found"],
    async handler({ params: { n }, query: { asset } }) {
      const { epoch, attestations } = await settlementOf(books, asset).attestations(n);
      return {
        ...{ epoch: epoch.epoch, header_hash: epoch.headerHash, ...epoch.attestations },
        data: attestations.map(attestationAnswer),
      };
    },
  });
  return [give, list];
}

export function releaseRoute(books: SettlementBooks): Route {
  return defineRoute({
    method: "post",
    path: "/api/v1/admin/settlement/release",
    summary: "Give a vetoed epoch's number free",
    description:
      "After a veto settlement stops, until somebody has looked at why. This gives up the vetoed epoch and those after it; the next settlement builds its number again over the journal as it is then. Nothing of the journal changes. 503 while the veto is so fresh that the chain might take it back: the message says its block, how deep that is, and how deep it has to be.",
    tags,
    auth: { roles: ["operator"] },
    query,
    response: releaseOut,
    errors: ["unavailable", "not_found"],
    // It waits for a run that is under way.
    timeoutMs: RUN_TIMEOUT_MS,
    async handler({ query: { asset } }) {
      const release = await settlementOf(books, asset).release();
      return { epoch: release?.epoch ?? null, released: release?.released ?? 0 };
    },
  });
}

function attestationAnswer({
  attester,
  signature,
  receivedAt,
}: AttestationView): z.input<typeof attestationOut> {
  return { attester: getAddress(attester), signature, received_at: toRfc3339(receivedAt) };
}
