/**
 * Every pair of codes there is. Of a transfer to which both apply the earlier one
 * is answered; a pair that no transfer can have is listed with the reason. A pair
 * that is in neither is a failure, and so is one that is in both.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TRANSFER_CODES, type TransferCode, type TransferRequest } from "#ledger";
import { expectCoherent } from "../support/coherence.ts";
import { startLedger, type TestLedger, transfer } from "../support/ledger.ts";
import { EXISTS, IMPOSSIBLE, type Kind, request, WAYS, type Way, WRITTEN_OUT } from "./code-ways.ts";
import { type CodeWorld, createCodeWorld } from "./code-world.ts";

let books: TestLedger;
let world: CodeWorld;
beforeAll(async () => {
  books = await startLedger();
  world = await createCodeWorld(books);
});
afterAll(async () => {
  await expectCoherent(books);
  await books.close();
});

const LONGEST_CHAIN = 500;
const ENDLESS_AND_OPEN = "linked_event_chain_open linked_event_chain_too_long";
const placeOf = (code: TransferCode) => TRANSFER_CODES.indexOf(code);
const without = (from: TransferRequest, member: keyof TransferRequest): TransferRequest => {
  const { [member]: _, ...rest } = from;
  return rest as TransferRequest;
};
const send = (list: readonly TransferRequest[]): Promise<TransferCode[]> =>
  books.run((view) => view.tryTransfers(list).map(({ code }) => code));
const code = async (one: TransferRequest): Promise<TransferCode | undefined> => (await send([one])).at(-1);

/** Requests that were written, with one member made another, and the code that says so. */
type Change = { code: TransferCode; kind: Kind; request: TransferRequest; members: readonly string[] };

function changes(): Change[] {
  const { single, linked, pending, post, void: voided, linkedPost, linkedVoid } = world.written;
  const of = (kind: Kind, written: TransferRequest): Change[] => {
    const to = (suffix: string, members: Partial<TransferRequest>): Change => ({
      ...{ code: `exists_with_different_${suffix}` as TransferCode, kind },
      ...{ request: { ...written, ...members }, members: Object.keys(members) },
    });
    const left = (suffix: string, member: keyof TransferRequest): Change => ({
      ...{ code: `exists_with_different_${suffix}` as TransferCode, kind },
      ...{ request: without(written, member), members: [member] },
    });
    return [
      to("phase", {
        phase:
          kind === "movement" ? (written.phase ? "single" : "pending") : kind === "post" ? "void" : "post",
      }),
      to("pending_id", { pendingId: randomUUID() }),
      ...(written.linked ? [left("linked", "linked")] : []),
      to("debit_account", { debitAccount: randomUUID() }),
      to("credit_account", { creditAccount: randomUUID() }),
      to("amount", { amount: 2n }),
      to("balancing", { balancing: "debit" }),
      left("code", "code"),
      to("timeout", { timeoutSeconds: 7 }),
      left("effective_at", "effectiveAt"),
      to("reference", { reference: "s" }),
      to("metadata", { metadata: { x: 2 } }),
    ];
  };
  return [
    ...of("movement", single),
    ...of("movement", pending),
    // Without the mark it is no chain any more, and decided alone.
    ...[...of("movement", linked), ...of("post", linkedPost), ...of("void", linkedVoid)].map((one) => ({
      ...one,
      request: without(one.request, "linked"),
    })),
    ...of("post", post),
    ...of("void", voided),
  ];
}

/** What a request that stands under a written id differs in, by its members alone. */
function differences(one: TransferRequest): TransferCode[] {
  const written = Object.values(world.written).find(({ id }) => id === one.id);
  if (!written) return [];
  const named: Record<string, TransferCode> = {
    ...{ phase: "exists_with_different_phase", pendingId: "exists_with_different_pending_id" },
    ...{ linked: "exists_with_different_linked", debitAccount: "exists_with_different_debit_account" },
    ...{ creditAccount: "exists_with_different_credit_account", amount: "exists_with_different_amount" },
    ...{ balancing: "exists_with_different_balancing", code: "exists_with_different_code" },
    ...{ timeoutSeconds: "exists_with_different_timeout", effectiveAt: "exists_with_different_effective_at" },
    ...{ reference: "exists_with_different_reference", metadata: "exists_with_different_metadata" },
  };
  const asText = (value: unknown) => (typeof value === "bigint" ? `${value}` : JSON.stringify(value));
  return Object.entries(named).flatMap(([member, differs]) =>
    asText(one[member as keyof TransferRequest]) === asText(written[member as keyof TransferRequest])
      ? []
      : [differs],
  );
}

const isOfAnotherId = ({ code: named }: Way) => named === "id_already_failed";

type Case = { request: TransferRequest; codes: readonly TransferCode[] };

/** Requests that have the second code as well as the first, each with all the codes that it has before the second. */
function casesOf(first: TransferCode, second: TransferCode): Case[] {
  const written = WRITTEN_OUT[`${first} ${second}`];
  const found: Case[] = written ? [{ request: written(world), codes: [first, second] }] : [];
  const later = WAYS.filter((way) => way.code === second);
  if (first !== "exists" && EXISTS.includes(first)) {
    for (const change of changes().filter((one) => one.code === first)) {
      const others = EXISTS.includes(second)
        ? changes().filter((one) => one.code === second && one.request.id === change.request.id)
        : [];
      for (const other of others) {
        const members = Object.fromEntries(
          change.members.map((member) => [member, change.request[member as keyof TransferRequest]]),
        );
        found.push({ request: compact({ ...other.request, ...members }), codes: [first, second] });
      }
      for (const way of later.filter((one) => one.on.includes(change.kind) && !isOfAnotherId(one)))
        found.push({
          request: compact({ ...change.request, ...way.set(world, change.request.id) }),
          codes: [first, second],
        });
    }
    // A way may have made the change another one; whatever it then differs in first is the answer.
    return found.flatMap((one) => {
      const differs = differences(one.request);
      return differs.includes(first) ? [{ ...one, codes: [...differs, second] }] : [];
    });
  }
  for (const one of WAYS.filter((way) => way.code === first))
    for (const other of later)
      for (const kind of one.on.filter((on) => other.on.includes(on))) {
        const base = request(kind, world);
        const [faults, more] = [one.set(world, base.id), other.set(world, base.id)];
        if (Object.keys(faults).some((member) => member in more)) continue;
        found.push({ request: compact({ ...base, ...more, ...faults }), codes: [first, second] });
      }
  return found;
}

function compact(one: Record<string, unknown>): TransferRequest {
  return Object.fromEntries(
    Object.entries(one).filter(([, value]) => value !== undefined),
  ) as unknown as TransferRequest;
}

/** A request that has this code and none before it, alone in its list. */
function only(wanted: TransferCode): TransferRequest {
  if (wanted === "exists") return world.written.single;
  const changed = changes().find((one) => one.code === wanted);
  if (changed) return changed.request;
  const [way] = WAYS.filter((one) => one.code === wanted);
  const [kind] = way?.on ?? [];
  if (!way || !kind) throw new Error(`there is no way to ${wanted}`);
  const base = request(kind, world);
  return compact({ ...base, ...way.set(world, base.id) });
}

const BEHIND_CHAINS = TRANSFER_CODES.slice(placeOf("exists_with_different_phase"));
const reasonOf = (one: TransferCode, other: TransferCode) =>
  IMPOSSIBLE.find(
    ([left, right]) =>
      (left.includes(one) && right.includes(other)) || (left.includes(other) && right.includes(one)),
  )?.[2];

describe("each code", () => {
  test("has a request to which it alone applies", async () => {
    for (const wanted of BEHIND_CHAINS) expect(await code(only(wanted))).toBe(wanted);
    for (const way of WAYS)
      for (const kind of way.on) {
        const base = request(kind, world);
        expect([way.code, kind, await code(compact({ ...base, ...way.set(world, base.id) }))]).toEqual([
          ...[way.code, kind, way.code],
        ]);
      }
    expect(await code(request("movement", world))).toBe("ok");
  });
});

describe("of two codes that apply to one transfer the earlier one is answered:", () => {
  test.each(BEHIND_CHAINS)("%s, and each behind it", async (first) => {
    const wrong: string[] = [];
    for (const second of BEHIND_CHAINS.slice(BEHIND_CHAINS.indexOf(first) + 1)) {
      const cases = casesOf(first, second);
      const reason = reasonOf(first, second);
      if (cases.length > 0 === (reason !== undefined))
        wrong.push(
          `${second}: ${cases.length} transfers have both, and the reason why none can is: ${reason}`,
        );
      for (const one of cases) {
        const expected = one.codes.toSorted((x, y) => placeOf(x) - placeOf(y))[0];
        const answer = await code(one.request);
        if (answer !== expected)
          wrong.push(`${second}: ${answer} instead of ${expected} to ${Object.keys(one.request)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("those of a chain, and each behind them", async () => {
    const link = (leg: TransferRequest): TransferRequest => ({ ...leg, linked: true });
    const malformed = () => link(transfer(world.a, world.b, 0n));
    const good = () => transfer(world.a, world.b, 1n);
    for (const second of BEHIND_CHAINS) {
      const leg = only(second);
      const [, failed] = await send([malformed(), leg]);
      const [open] = await send([link(only(second))]);
      const long = [
        link(only(second)),
        ...Array.from({ length: LONGEST_CHAIN - 1 }, () => link(good())),
        good(),
      ];
      const [tooLong] = await send(long);
      expect([second, failed, open, tooLong]).toEqual([
        ...[second, "linked_event_failed", "linked_event_chain_open", "linked_event_chain_too_long"],
      ]);
    }
    const endless = await send(Array.from({ length: LONGEST_CHAIN + 1 }, () => link(good())));
    expect(endless.at(-1)).toBe("linked_event_chain_open");
    expect(endless).not.toContain("linked_event_chain_too_long");
  });
});

test("every pair has its transfer or its reason, and each reason is of some pair", () => {
  const chains = TRANSFER_CODES.slice(1, placeOf("exists_with_different_phase"));
  const open: string[] = [];
  const reasons = new Set<string>();
  for (const [at, first] of TRANSFER_CODES.entries())
    for (const second of TRANSFER_CODES.slice(at + 1)) {
      const ofChains =
        chains.includes(first) &&
        (BEHIND_CHAINS.includes(second) || `${first} ${second}` === ENDLESS_AND_OPEN);
      if (ofChains || casesOf(first, second).length > 0) continue;
      const reason = reasonOf(first, second);
      if (reason === undefined) open.push(`${first} ${second}`);
      else reasons.add(reason);
    }
  expect(open).toEqual([]);
  expect(IMPOSSIBLE.filter(([, , why]) => !reasons.has(why))).toEqual([]);
});
