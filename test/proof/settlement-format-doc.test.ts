/**
 * The worked example in docs/settlement-format.md, recomputed by two hands: with
 * ethers and Node's SHA-256 alone, as a reader would, and with this project's code.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { keccak256, toUtf8Bytes } from "ethers";
import { describe, expect, test } from "vitest";
import {
  LogFrontier,
  parseHeader,
  parseJournalLine,
  parseLeafFile,
  parseProof,
  ReplayState,
  SECTIONS,
} from "#proof";
import { verifyProof } from "#verifier";
import { plainDomain, plainHeaderHash, plainTree } from "../support/plain-sum-tree.ts";

const doc = readFileSync(new URL("../../docs/settlement-format.md", import.meta.url), "utf8");

function block(info: string): string {
  const found = new RegExp(`^\`\`\`${info}\n([^]*?)^\`\`\``, "m").exec(doc)?.[1];
  if (found === undefined) throw new Error(`the document has no block "${info}"`);
  return found;
}

const journal = block("ndjson journal").trimEnd().split("\n");
const files: Record<string, string> = { balances: block("ndjson balances"), locks: block("ndjson locks") };
const proof: unknown = JSON.parse(block("json proof"));
const { header } = parseProof(proof);

describe("the worked example", () => {
  test("holds as a proof", () => {
    expect(verifyProof(proof).checks.filter((check) => !check.ok)).toEqual([]);
    expect(verifyProof(proof).checks.map((check) => check.name)).toContain("opening");
  });

  test("names every check that the verifier makes", () => {
    for (const { name } of verifyProof(proof).checks) expect(doc).toContain(`\`${name}\``);
  });

  test("has a journal that leads to its leaf files and journal root", () => {
    const state = new ReplayState();
    const log = LogFrontier.empty();
    for (const line of journal) {
      state.apply(parseJournalLine(line));
      log.append(line);
    }
    expect(log.root()).toBe(header.journalRoot);
    expect(log.size).toBe(header.journalSize);
    const leaves = state.closeEpoch("TST");
    for (const section of SECTIONS) expect(leaves[section]).toEqual(parseLeafFile(files[section] ?? ""));
  });

  test("has the values that ethers and RFC 6962 give", () => {
    const hashes = SECTIONS.map((section) => keccak256(toUtf8Bytes(files[section] ?? "")));
    expect(keccak256(`0x${hashes.map((hash) => hash.slice(2)).join("")}`)).toBe(header.dataHash);
    for (const hash of [...hashes, header.dataHash, header.journalRoot]) expect(doc).toContain(`\`${hash}\``);

    const sha = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
    let level = journal.map((line) => sha(Buffer.of(0), Buffer.from(line)));
    while (level.length > 1)
      level = level.flatMap((hash, at) => (at % 2 ? [] : [sha(Buffer.of(1), hash, level[at + 1] as Buffer)]));
    expect(`0x${level[0]?.toString("hex")}`).toBe(header.journalRoot);

    const { chainId, registry, custodian, asset, headerHash, siblings } = parseProof(proof);
    expect(plainHeaderHash(parseHeader((proof as { header: unknown }).header))).toBe(headerHash);
    const custodians = {
      balances: custodian,
      locks: custodian,
      stakes: custodian,
      compute: custodian,
      payouts: custodian,
    };
    const record = { chain_id: Number(chainId), token: asset, registry, custodians, deployed_block: 0 };
    const domain = plainDomain(record, "balances");
    const leafBytes = block("hex leaf").replaceAll("\n", "");
    expect(leafBytes.length).toBe(250);
    expect(leafBytes.slice(2, 66)).toBe(domain.slice(2));
    const plain = plainTree(domain, parseLeafFile(files.balances ?? ""));
    expect(plain.section).toEqual(header.sections[0]);
    expect(plain.proof(1)).toEqual(siblings);
    const nodes = [plain.proof(1)[0], plain.proof(0)[0], plain.proof(2)[1], plain.proof(0)[1]];
    expect(nodes[1]?.hash).toBe(keccak256(`0x${leafBytes}`));
    for (const node of nodes) expect(doc).toContain(`\`${node?.hash}\` | ${node?.sum} |`);
    expect(doc).toContain(`\`${plain.section.root}\` | ${plain.section.sum} |`);
  });

  test("shows every leaf's hash", () => {
    const { custodian, asset, chainId, registry } = parseProof(proof);
    const custodians = {
      balances: custodian,
      locks: custodian,
      stakes: custodian,
      compute: custodian,
      payouts: custodian,
    };
    const domain = plainDomain(
      { chain_id: Number(chainId), token: asset, registry, custodians, deployed_block: 0 },
      "balances",
    );
    for (const leaf of parseLeafFile(files.balances ?? ""))
      expect(doc).toContain(`\`${plainTree(domain, [{ ...leaf }]).section.root}\` | ${leaf.amount} |`);
  });
});
