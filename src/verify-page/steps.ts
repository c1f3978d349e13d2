/** The steps of a proof as a list to read: what went in, what came out, and whether it is what it should be. */
import { headerSection, SECTIONS } from "#proof";
import {
  type Check,
  type ProofDocument,
  type RecomputedLevel,
  recomputeProof,
  type SumNode,
} from "#verifier";
import { element, type Field, fields } from "./elements.ts";
import { amountText, timeText } from "./explain.ts";
import { more, type Step, stepItem } from "./step-item.ts";

export function offlineSteps(proof: ProofDocument, checks: readonly Check[]): HTMLElement[] {
  const work = recomputeProof(proof);
  const { leaf, header, opening } = proof;
  const inHeader = headerSection(header, proof.section);
  const steps: Step[] = [
    {
      title: "What the file names",
      checks: ["format", "registry", "epoch"],
      told: "Chain, registry and epoch of the file are those of its header.",
      body: [
        fields([
          ["Chain", `${proof.chainId}`],
          ["Registry", proof.registry],
          ["Epoch", `${proof.epoch}, closed ${timeText(header.closedAt)}`],
        ]),
      ],
    },
    ...(opening && work.key
      ? [
          {
            title: "Whose position it is",
            checks: ["opening"],
            told: "Salt and ids hash to the position's key. This part stays in your browser.",
            body: [
              fields([
                ["Ids", opening.parts.join(" · ")],
                ["Salt", opening.salt],
                ["Computed key", work.key],
                ["Key in the position", leaf.key],
              ]),
            ],
          },
        ]
      : []),
    {
      title: "The domain",
      checks: ["domain"],
      told: "Chain, contract, token and section, hashed: so the position counts here and nowhere else.",
      body: [
        fields([
          ["Section", proof.section],
          ["Custodian", proof.custodian],
          ["Token", proof.asset],
          ["Domain", work.domain],
        ]),
      ],
    },
    {
      title: "The leaf",
      checks: ["leaf"],
      told: "The position itself: 125 bytes, and their hash.",
      body: [
        fields(leafFields(proof)),
        fields([
          ["Bytes", work.leafBytes],
          ["Hash", work.leaf.hash],
        ]),
      ],
    },
    {
      title: "From the leaf to the root",
      checks: ["index", "depth"],
      told:
        work.levels.length === 0
          ? "This is the only position of the section: the leaf is the root."
          : `${work.levels.length} times two neighbours are hashed together and their sums added.`,
      body: [levelList(work.levels)],
    },
    {
      title: "The root",
      checks: ["section", "root", "sum"],
      told: "Where the way ends, beside what the header says.",
      body: [
        fields([
          ["Computed root", work.root?.hash ?? "none: a sum has no room in 128 bits"],
          ["Root in the header", inHeader.root],
          ["Computed sum", work.root ? `${work.root.sum}` : "none"],
          ["Sum in the header", `${inHeader.sum}`],
          ["Place", `${leaf.index} of ${inHeader.count} ${inHeader.count === 1n ? "position" : "positions"}`],
        ]),
      ],
    },
    {
      title: "The header",
      checks: ["header_hash"],
      told: "All of the header, hashed: this is what the chain keeps of an epoch.",
      body: [
        fields([
          ["Computed hash", work.headerHash],
          ["Hash in the file", proof.headerHash],
        ]),
        more("What the header holds", fields(headerFields(proof))),
      ],
    },
  ];
  return steps.map((step) => stepItem(step, checks));
}

/** One item a check: what the chain, or a signature, says. */
export function answerSteps(checks: readonly Check[]): HTMLElement[] {
  return checks.map((check) =>
    stepItem(
      { title: ANSWER_TITLES[check.name] ?? check.name, checks: [check.name], told: check.detail, body: [] },
      checks,
    ),
  );
}

const ANSWER_TITLES: Readonly<Record<string, string>> = {
  pinned_registry: "The registry is the one you named",
  chain: "The node is of the proof's chain",
  contract: "The registry is a contract there",
  custodian: "It names this token and this custodian",
  anchored: "It holds this header for this epoch",
  transaction: "The named transaction committed it",
  on_chain: "It finds the position by its own computation",
  finality: "It says whether the epoch is final",
  journal_root: "A header of an epoch there has this root",
  checkpoint: "The checkpoint is signed with the key you named",
};

function leafFields({ leaf }: ProofDocument): Field[] {
  return [
    ["Place", `${leaf.index}`],
    ["Owner", /^0x0+$/.test(leaf.owner) ? `${leaf.owner} (no wallet is linked)` : leaf.owner],
    ["Key", leaf.key],
    ["Amount", amountText(leaf.amount)],
    [
      "Valid until",
      leaf.validUntil === 0n ? "0 (no term)" : `${leaf.validUntil} (${timeText(leaf.validUntil)})`,
    ],
    ["Kind", `${leaf.kind}`],
    ["Quantity", `${leaf.quantity}`],
  ];
}

function levelList(levels: readonly RecomputedLevel[]): HTMLElement {
  const items = levels.map(({ left, right, parent, sibling }) =>
    element("li", {}, [
      fields([
        [sibling === "left" ? "Left (given)" : "Left (computed)", nodeText(left)],
        [sibling === "right" ? "Right (given)" : "Right (computed)", nodeText(right)],
        ["Together", parent ? nodeText(parent) : "no sum: it has no room in 128 bits"],
      ]),
    ]),
  );
  const list = element("ol", { class: "levels" }, items);
  return levels.length === 0
    ? list
    : more(`The ${levels.length === 1 ? "step" : `${levels.length} steps`}`, list, true);
}

function nodeText({ hash, sum }: SumNode): string {
  return `${hash} sum ${sum}`;
}

function headerFields({ header }: ProofDocument): Field[] {
  return [
    ["Version", `${header.version}`],
    ["Chain", `${header.chainId}`],
    ["Registry", header.registry],
    ["Epoch", `${header.epoch}`],
    ["Header before", header.previous],
    ...header.sections.map(
      ({ root, sum, count }, place): Field => [
        SECTIONS[place] ?? `${place}`,
        `${root} sum ${sum} count ${count}`,
      ],
    ),
    ["Journal root", header.journalRoot],
    ["Journal lines", `${header.journalSize}`],
    ["Last entry", `${header.depositSeq}`],
    ["Hash of the data", header.dataHash],
    ["Closed at", `${header.closedAt}`],
  ];
}
