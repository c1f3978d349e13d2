/** What a server shows as attesters' signatures is held against the chain's headers, by whoever audits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contractArtifact } from "#infra";
import { startLyingApi } from "../support/lying-proxy.ts";
import { attest, createParties, sendAs } from "./attesters.ts";
import { type AuditWorld, createAuditWorld } from "./audit-world.ts";
import { createWorld, TST } from "./world.ts";

const parties = createParties({ windowSeconds: 3_600, attesters: 3, threshold: 2 });

interface Shown {
  header_hash: string;
  data: { attester: string; signature: string }[];
}

let world: AuditWorld;

beforeAll(async () => {
  world = await createAuditWorld(() => createWorld(undefined, parties.deploy));
  for (let epoch = 1; epoch <= 2; epoch++) {
    await world.grant("user_a", TST);
    await world.settlement.run();
    await attest(world, epoch, parties.attesters.slice(0, epoch));
  }
});
afterAll(() => world?.close());

describe("a server's word of who signed an epoch", () => {
  it("holds where it is so", async () => {
    const { code, checks } = await world.audit();
    expect({ code, last: checks.at(-1) }).toMatchObject({
      code: 0,
      last: { name: "attestations", ok: true },
    });
    expect(checks.at(-1)?.detail).toContain("3 signatures of attesters hold");
  });

  const lies: [string, (shown: Shown, other: Shown) => unknown, RegExp][] = [
    [
      "names another attester for a signature",
      ({ data: [one, two] }) => Object.assign(one ?? {}, { attester: two?.attester }),
      /shows a signature as that of 0x[0-9a-fA-F]{40}, it is 0x/,
    ],
    [
      "makes a signature up",
      ({ data: [, two] }) => Object.assign(two ?? {}, { signature: `0x${"11".repeat(64)}1b` }),
      /shows a signature as that of 0x[0-9a-fA-F]{40}, it is /,
    ],
    [
      "shows one that is of another epoch",
      ({ data: [one] }, other) => Object.assign(one ?? {}, { signature: other.data[0]?.signature }),
      /shows a signature as that of 0x[0-9a-fA-F]{40}, it is /,
    ],
    [
      "shows those of another header",
      (shown, other) => Object.assign(shown, other),
      /attestations of another header than the chain's/,
    ],
  ];
  it.each(lies)("is caught where it %s", async (_, change, says) => {
    const path = (epoch: number) => `/api/v1/settlement/epochs/${epoch}/attestations`;
    const other = (await (await fetch(`${world.api.url}${path(1)}`)).json()) as Shown;
    const liar = await startLyingApi(world.api.url, (asked, body) => {
      if (!asked.startsWith(path(2))) return body;
      const shown = JSON.parse(body) as Shown;
      change(shown, other);
      return JSON.stringify(shown);
    });
    try {
      const { code, checks } = await world.audit("--api", liar.url);
      expect({ code, last: checks.at(-1) }).toMatchObject({
        ...{ code: 1, last: { name: "attestations", ok: false, epoch: 2 } },
      });
      expect(checks.at(-1)?.detail).toMatch(says);
    } finally {
      await liar.close();
    }
  });
});

describe("a server that has not seen a veto yet", () => {
  it("is behind the chain, and a liar all the same where it says more than that", async () => {
    const { epoch, headerHash } = (await world.settlement.latestEpoch()) ?? {};
    const { abi } = contractArtifact("SettlementRegistry");
    const veto = abi.encodeFunctionData("veto", [epoch, headerHash]);
    await sendAs(world, parties.guardian, world.record.registry, veto);
    const behind = await world.audit();
    expect(behind.checks.at(-1)).toMatchObject({
      ...{
        name: "readable",
        detail: expect.stringMatching(
          /the server is behind the chain, .* Try again in a minute, or run with --follow, which does so by itself$/,
        ),
      },
    });
    const liar = await startLyingApi(world.api.url, (asked, body) => {
      if (!asked.startsWith("/api/v1/settlement/epochs?")) return body;
      const page = JSON.parse(body) as { data: { epoch: number; status: string }[] };
      for (const one of page.data) if (one.epoch === 1) one.status = "final";
      return JSON.stringify(page);
    });
    try {
      const { code, checks } = await world.audit("--api", liar.url);
      expect({ code, last: checks.at(-1) }).toMatchObject({
        ...{ code: 1, last: { name: "api_epochs", ok: false, epoch: 1 } },
      });
    } finally {
      await liar.close();
    }
  });
});
