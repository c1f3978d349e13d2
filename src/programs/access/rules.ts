/**
 * Questions to the rules. They are data: nothing here knows how many tiers,
 * levels or entities there are.
 */

import { type Amount, DomainError, formatAmount } from "#kernel";
import type { View } from "#ledger";
import { countOf } from "./counts.ts";
import { type Counts, type EntityRule, type LevelRule, type Rules, type TierRule, TST } from "./model.ts";
import { rulesTable } from "./tables.ts";

export function rulesOf(view: View): Rules {
  const rules = view.row(rulesTable, {});
  if (!rules) throw new Error("the rules of the access program are missing");
  return rules;
}

/** @throws DomainError `invalid_amount` below the least level */
export function levelFor(rules: Rules, amount: Amount): LevelRule {
  const level = rules.levels.findLast((rule) => rule.requiredTst <= amount);
  if (level) return level;
  const least = leastOf(rules.levels).requiredTst;
  throw new DomainError("invalid_amount", `amount must be at least ${formatAmount(least, TST.scale)} TST`, {
    details: { member: "amount" },
  });
}

/** A tier that can be staked for. @throws DomainError `invalid_request` where there is none */
export function tierFor(rules: Rules, tier: number): TierRule {
  const rule = tier === 0 ? undefined : rules.tiers.find((candidate) => candidate.tier === tier);
  if (rule) return rule;
  throw notOneOf(
    "tier",
    stakedTiers(rules).map((known) => `${known.tier}`),
  );
}

export function stakedTiers(rules: Rules): readonly TierRule[] {
  return rules.tiers.filter((rule) => rule.tier > 0);
}

/** By type (`2`), by name (`"strategy"`), or both where they agree. @throws DomainError `invalid_request` */
export function entityFor(
  rules: Rules,
  asked: { readonly entityType?: number | undefined; readonly entity?: string | undefined },
): EntityRule {
  const { entityType, entity } = asked;
  const rule = rules.entities.find((known) =>
    entityType === undefined ? known.name === entity : known.entityType === entityType,
  );
  if (!rule) {
    throw entityType === undefined
      ? notOneOf(
          "entity",
          rules.entities.map((known) => known.name),
        )
      : notOneOf(
          "entity_type",
          rules.entities.map((known) => `${known.entityType}`),
        );
  }
  if (entity !== undefined && entity !== rule.name)
    throw new DomainError("invalid_request", "entity does not agree with entity_type", {
      details: { member: "entity" },
    });
  return rule;
}

/** The highest tier with an active stake; tier 0 without one. */
export function tierOf(rules: Rules, stakesByTier: Counts): TierRule {
  const tier = rules.tiers.findLast((rule) => rule.tier === 0 || countOf(stakesByTier, rule.tier) > 0);
  if (!tier) throw new Error("tier 0 is missing");
  return tier;
}

export function leastOf<Rule extends { readonly requiredTst: Amount }>(rules: readonly Rule[]): Rule {
  const least = rules.reduce<Rule | undefined>(
    (found, rule) => (found === undefined || rule.requiredTst < found.requiredTst ? rule : found),
    undefined,
  );
  if (!least) throw new Error("a table of rules is empty");
  return least;
}

function notOneOf(member: string, known: readonly string[]): DomainError {
  return new DomainError("invalid_request", `${member} must be one of ${known.join(", ")}`, {
    details: { member },
  });
}
