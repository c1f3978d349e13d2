/**
 * Input against a route's schemas. Every refusal names its members as the caller
 * wrote them (`transfers[3].amount`) with a reason in plain words. All of them
 * about amounts: `invalid_amount`; anything else among them: `invalid_request`.
 */
import type { z } from "zod";
import { DomainError } from "#kernel";
import { memberPath } from "./strict-json.ts";

interface Finding {
  readonly member: string;
  readonly reason: string;
  readonly isAmount: boolean;
}

/** A body of thousands of elements could be wrong in each of them. */
const MAX_FINDINGS = 20;

/** @throws DomainError `invalid_request` or `invalid_amount` with details `[{member, reason}]` */
export function validate(schema: z.ZodType, input: unknown): unknown {
  const result = schema.safeParse(input, { error: reasonOf });
  if (result.success) return result.data;
  const findings = result.error.issues.flatMap((issue) => findingsOf(issue, []));
  const code = findings.every((finding) => finding.isAmount) ? "invalid_amount" : "invalid_request";
  const first = findings.find((finding) => code === "invalid_amount" || !finding.isAmount);
  throw new DomainError(code, `${first?.member} ${first?.reason}`, {
    details: findings.slice(0, MAX_FINDINGS).map(({ member, reason }) => ({ member, reason })),
  });
}

function findingsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): Finding[] {
  const path = [...above, ...issue.path];
  const member = memberPath(path) || "body";
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      member: memberPath([...path, key]),
      reason: "is not known",
      isAmount: false,
    }));
  if (issue.code === "invalid_union") {
    const closest = closestBranch(issue.errors);
    if (closest) return closest.flatMap((inner) => findingsOf(inner, path));
  }
  const isAmount = issue.code === "custom" && issue.params?.code === "invalid_amount";
  return [{ member, reason: issue.message, isAmount }];
}

/** Of a union's alternatives the one that the input missed by least, if it got anywhere in one. */
function closestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | undefined {
  return branches
    .filter((issues) => !issues.some((issue) => issue.path.length === 0 && issue.code === "invalid_type"))
    .sort((a, b) => a.length - b.length)[0];
}

/** Reasons for what schemas do not word themselves; they follow the member's name. */
function reasonOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be ${article(String(issue.expected))}`;
    case "invalid_value":
      return issue.input === undefined
        ? "is required"
        : `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `must be ${issue.inclusive ? "at least" : "above"} ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `must be ${issue.inclusive ? "at most" : "below"} ${issue.maximum}${unitOf(issue.origin)}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_format":
      return "has the wrong form";
    case "invalid_union":
      return issue.input === undefined ? "is required" : "fits none of the accepted forms";
    case "invalid_key":
      return "has a member name that is not accepted";
    default:
      return undefined;
  }
}

function article(type: string): string {
  if (type === "int") return "a whole number";
  return `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`;
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters long";
  if (origin === "array" || origin === "set") return " elements long";
  return "";
}
