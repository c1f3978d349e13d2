/** The steps from a journal line to the root of its log, as a list to read. */
import { type Check, type LineProof, type RecomputedLine, recomputeLine } from "#verifier";
import { element, fields } from "./elements.ts";
import { more, type Step, stepItem } from "./step-item.ts";

export function lineSteps(proof: LineProof, checks: readonly Check[]): HTMLElement[] {
  const work = recomputeLine(proof);
  const { index, size, root, line, checkpoint } = proof;
  const steps: Step[] = [
    {
      title: "What the file names",
      checks: ["format", "index"],
      told: "A line, by its number from 0, and a log of so many lines.",
      body: [
        fields([
          ...(checkpoint ? ([["Log", checkpoint.origin]] as const) : []),
          ["Line", `${index}`],
          ["Lines in all", `${size}`],
        ]),
      ],
    },
    {
      title: "The line",
      checks: ["line"],
      told: "The text as it stands in the journal. A byte 0 and the text, hashed with SHA-256.",
      body:
        line && work
          ? [
              fields([
                ["Text", textOf(line)],
                ["Hash", work.leafHash],
              ]),
            ]
          : [],
    },
  ];
  if (work)
    steps.push(
      {
        title: "From the line to the root",
        checks: ["path"],
        told:
          work.steps.length === 0
            ? "This is the only line: its hash is the root."
            : `${work.steps.length} times a byte 1 and two neighbours are hashed together with SHA-256.`,
        body: [pathList(work.steps)],
      },
      {
        title: "The root",
        checks: ["inclusion"],
        told: "Where the way ends, beside what the file says: the journal root that an epoch's header holds.",
        body: [
          fields([
            ["Computed root", work.root ?? "none: the way does not fit the line's place"],
            ["Root in the file", root],
          ]),
        ],
      },
    );
  return steps.map((step) => stepItem(step, checks));
}

function pathList(steps: readonly RecomputedLine[]): HTMLElement {
  const items = steps.map(({ left, right, parent, sibling }) =>
    element("li", {}, [
      fields([
        [sibling === "left" ? "Left (given)" : "Left (computed)", left],
        [sibling === "right" ? "Right (given)" : "Right (computed)", right],
        ["Together", parent],
      ]),
    ]),
  );
  const list = element("ol", { class: "levels" }, items);
  return steps.length === 0
    ? list
    : more(`The ${steps.length === 1 ? "step" : `${steps.length} steps`}`, list, true);
}

/** What is no UTF-8 is shown with marks in its place; its hash is of the bytes all the same. */
function textOf(line: Uint8Array): string {
  return new TextDecoder().decode(line);
}
