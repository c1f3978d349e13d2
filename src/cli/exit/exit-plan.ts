/**
 * The next step of each position on its way out, by what the contracts say at
 * this moment: what can be sent now, and what can be done when. The contracts'
 * tables of states are the source (docs/contracts.md).
 */
import { type Chain, type ContractName, contractArtifact, contractAt, type DeploymentRecord } from "#infra";
import { type Hex, SECTIONS, type Section } from "#proof";
import { amountText, type TokenUnit } from "../amount-text.ts";
import type { ExitData, ExitPosition } from "./exit-data.ts";

export interface ExitStep {
  readonly action:
    | "demandExit"
    | "requestFreeze"
    | "freeze"
    | "freezeForEntry"
    | "escape"
    | "claim"
    | "repayEntry"
    | "wait"
    | "none";
  /** Which position, or which entry. */
  readonly what: string;
  readonly detail: string;
  /** A transaction that can be sent now. */
  readonly call?: { readonly to: string; readonly data: string; readonly fromOwner: boolean };
  /** Unix seconds: from then on there is something to do. */
  readonly from?: bigint;
}

export interface BookMoment {
  readonly now: bigint;
  readonly frozenAt: bigint;
  readonly minimumExit: bigint;
}

const DAY = 86_400n;
/** As the contracts have them. */
const SERVE_WITHIN = 7n * DAY;
const CREDIT_WITHIN = 7n * DAY;
const LONGEST_WAIT = 366n * DAY;

const CUSTODIANS: Readonly<Record<Section, ContractName>> = {
  balances: "SettlementVault",
  locks: "P2PAgreementEscrow",
  stakes: "AccessTierStaking",
  compute: "EntityComputeReserve",
  payouts: "SettlementVault",
};

export class ExitPlanner {
  readonly #chain: Chain;
  readonly #record: DeploymentRecord;
  readonly #text: (amount: bigint) => string;

  constructor(chain: Chain, record: DeploymentRecord, unit: TokenUnit) {
    this.#chain = chain;
    this.#record = record;
    this.#text = (amount) => amountText(amount, unit);
  }

  async moment(): Promise<BookMoment> {
    const registry = contractAt(this.#chain, "SettlementRegistry", this.#record.registry);
    const block = await this.#chain.provider.getBlock("latest");
    if (!block) throw new Error("the chain has no block");
    const [frozenAt, minimumExit] = (await Promise.all([
      registry.getFunction("frozenAt")(),
      registry.getFunction("minimumExit")(),
    ])) as [bigint, bigint];
    return { now: BigInt(block.timestamp), frozenAt, minimumExit };
  }

  /** @param wallet whose direct entries are looked for as well */
  async steps(data: ExitData, wallet: Hex): Promise<ExitStep[]> {
    const moment = await this.moment();
    const steps: ExitStep[] = [];
    for (const position of data.positions)
      steps.push(
        position.section === "payouts"
          ? await this.#claim(position)
          : moment.frozenAt === 0n
            ? await this.#leave(position, moment)
            : await this.#escape(position, moment),
      );
    return [...steps, ...(await this.#entries(wallet, moment))];
  }

  async #claim({ epoch, section, leaf, siblings }: ExitPosition): Promise<ExitStep> {
    const what = nameOf(section, leaf.index);
    const paid = (await this.#at("payouts").getFunction("paid")(leaf.key)) as bigint;
    const due = leaf.amount - paid;
    if (due === 0n) return { action: "none", what, detail: `all ${this.#text(leaf.amount)} are paid` };
    const detail = `${this.#text(due)} of ${this.#text(leaf.amount)} withdrawn are not paid yet`;
    return this.#step("claim", what, section, [epoch, leaf, siblings], detail, false);
  }

  /** While the book works: a demand, and a freeze where nobody serves it. */
  async #leave(
    { section, leaf, siblings }: ExitPosition,
    { now, minimumExit }: BookMoment,
  ): Promise<ExitStep> {
    const number = SECTIONS.indexOf(section);
    const what = nameOf(section, leaf.index);
    const [, demandedAt, due, freezableAt] = (await this.#at(section).getFunction("demandOf")(
      number,
      leaf.index,
    )) as [string, bigint, bigint, bigint];
    if (demandedAt === 0n) {
      if (leaf.amount === 0n) return { action: "none", what, detail: "is empty" };
      if (leaf.amount < minimumExit)
        return {
          ...{ action: "none", what },
          detail: `${this.#text(leaf.amount)} are below the smallest exit of ${this.#text(minimumExit)}: withdraw them, or wait for a freeze`,
        };
      const detail = `${this.#text(leaf.amount)}; due ${leaf.validUntil > now ? timeText(leaf.validUntil) : "at once"}`;
      return this.#step("demandExit", what, section, [number, leaf, siblings], detail, true);
    }
    const overdueAt = due + SERVE_WITHIN;
    if (freezableAt !== 0n) {
      if (now >= freezableAt)
        return this.#step("freeze", what, section, [number, leaf.index], "nobody served the demand", false);
      return waitStep(what, "the freeze is requested and can be done", freezableAt);
    }
    if (now >= overdueAt)
      return this.#step(
        "requestFreeze",
        what,
        section,
        [number, leaf.index],
        `due ${timeText(due)}, not served`,
        false,
      );
    const until = now < due ? `is due ${timeText(due)}; ` : "";
    return waitStep(what, `is demanded; ${until}if nobody serves it, a freeze can be requested`, overdueAt);
  }

  async #escape({ section, leaf, siblings }: ExitPosition, { now, frozenAt }: BookMoment): Promise<ExitStep> {
    const number = SECTIONS.indexOf(section);
    const what = nameOf(section, leaf.index);
    if (leaf.amount === 0n) return { action: "none", what, detail: "is empty" };
    if (await this.#at(section).getFunction("escaped")(number, leaf.index))
      return { action: "none", what, detail: `${this.#text(leaf.amount)} are paid` };
    const latest = frozenAt + LONGEST_WAIT;
    const from = leaf.validUntil > latest ? latest : leaf.validUntil;
    if (now < from) return waitStep(what, `${this.#text(leaf.amount)} can escape`, from);
    return this.#step("escape", what, section, [number, leaf, siblings], this.#text(leaf.amount), false);
  }

  /** Tokens that came in directly and were never credited by a final epoch. */
  async #entries(wallet: Hex, { now, frozenAt }: BookMoment): Promise<ExitStep[]> {
    const registry = contractAt(this.#chain, "SettlementRegistry", this.#record.registry);
    const [credited, last] = (await Promise.all([
      registry.getFunction("finalDepositSeq")(),
      registry.getFunction("lastEntry")(),
    ])) as [bigint, bigint];
    const steps: ExitStep[] = [];
    for (let seq = credited + 1n; seq <= last; seq++) {
      const [depositor, amount, madeAt, repaid] = (await registry.getFunction("entryOf")(seq)) as [
        ...[string, bigint, bigint, boolean],
      ];
      if (depositor.toLowerCase() !== wallet) continue;
      const what = `entry ${seq}`;
      const overdueAt = madeAt + CREDIT_WITHIN;
      if (repaid) steps.push({ action: "none", what, detail: `${this.#text(amount)} are paid back` });
      else if (frozenAt !== 0n)
        steps.push(this.#step("repayEntry", what, "balances", [seq], this.#text(amount), false));
      else if (now >= overdueAt) {
        const data = contractArtifact("SettlementRegistry").abi.encodeFunctionData("freezeForEntry", [seq]);
        const call = { to: this.#record.registry, data, fromOwner: false };
        steps.push({ action: "freezeForEntry", what, detail: "nobody credited it in seven days", call });
      } else steps.push(waitStep(what, "if nobody credits it, the book can be frozen", overdueAt));
    }
    return steps;
  }

  #step(
    action: ExitStep["action"],
    what: string,
    section: Section,
    args: readonly unknown[],
    detail: string,
    fromOwner: boolean,
  ): ExitStep {
    const data = contractArtifact(CUSTODIANS[section]).abi.encodeFunctionData(action, args);
    return { action, what, detail, call: this.#call(section, data, fromOwner) };
  }

  #call(section: Section, data: string, fromOwner: boolean) {
    return { to: this.#record.custodians[section], data, fromOwner };
  }

  #at(section: Section) {
    return contractAt(this.#chain, CUSTODIANS[section], this.#record.custodians[section]);
  }
}

function nameOf(section: Section, index: bigint): string {
  return `${section} ${index}`;
}

function waitStep(what: string, detail: string, from: bigint): ExitStep {
  return { action: "wait", what, detail: `${detail} from ${timeText(from)} on`, from };
}

export function timeText(seconds: bigint): string {
  return new Date(Number(seconds) * 1_000).toISOString().replace(".000Z", "Z");
}
