/** One step of a list to read: what was done, whether it holds, and what went in and came out. */
import type { Check } from "#verifier";
import { element } from "./elements.ts";
import { meaningOf } from "./explain.ts";

/** A step that may comprise several checks; without any it is only shown. */
export interface Step {
  readonly title: string;
  readonly checks: readonly string[];
  readonly told: string;
  readonly body: readonly Node[];
}

export function stepItem(step: Step, checks: readonly Check[]): HTMLElement {
  const failed = checks.filter(({ name, ok }) => !ok && step.checks.includes(name));
  const ok = failed.length === 0;
  const head = element("div", { class: "step-head" }, [
    element("h3", {}, [
      `${step.title} `,
      element("span", { class: "mark" }, [ok ? "✓ holds" : "✗ does not hold"]),
    ]),
  ]);
  const told = ok ? [step.told] : failed.map(meaningOf);
  const sentences = told.map((sentence) => element("p", {}, [sentence]));
  return element("li", { class: ok ? "good" : "bad" }, [head, ...sentences, ...step.body]);
}

export function more(title: string, content: Node, open = false): HTMLElement {
  return element("details", open ? { open: "" } : {}, [element("summary", {}, [title]), content]);
}
