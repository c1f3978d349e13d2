/**
 * Attesters' signatures as the server has them: each is over the chain's header,
 * and by who it says. That enough of them were there when an epoch became final
 * the registry saw to itself.
 */
import { attesterOf } from "#infra";
import type { ApiSource } from "./api-source.ts";
import type { ChainBook } from "./chain-source.ts";
import { Lie } from "./checks.ts";
import type { StandingEpoch } from "./header-chain.ts";

/** @throws Lie `attestations` */
export async function checkAttestations(
  api: ApiSource,
  standing: readonly StandingEpoch[],
  book: ChainBook,
): Promise<string> {
  const { attesters, threshold, record } = book;
  if (attesters.length === 0) return "the book has no attesters: final is what the committer says";
  let signatures = 0;
  const lacking: { epoch: bigint; signed: number }[] = [];
  for (const { epoch, headerHash } of standing) {
    const { headerHash: shown, given } = await api.attestations(epoch);
    if (shown !== headerHash)
      throw new Lie("attestations", { epoch }, "the API has attestations of another header than the chain's");
    for (const { attester, signature } of given) {
      const signer = attesterOf(
        { chainId: record.chain_id, registry: record.registry },
        headerHash,
        signature,
      );
      if (signer !== attester.toLowerCase())
        throw new Lie(
          "attestations",
          { epoch },
          `the API shows a signature as that of ${attester}, it is ${signer ?? "nobody's"}`,
        );
      signatures++;
    }
    const valid = given.filter(({ attester }) => attesters.some((one) => one === attester.toLowerCase()));
    if (epoch > book.lastFinal && valid.length < threshold) lacking.push({ epoch, signed: valid.length });
  }
  const held =
    signatures === 1 ? "1 signature of an attester holds" : `${signatures} signatures of attesters hold`;
  const [oldest, ...others] = lacking;
  if (!oldest) return `${held}; no epoch waits for more (${threshold} of ${attesters.length} must sign)`;
  const which =
    others.length === 0
      ? `epoch ${oldest.epoch}`
      : `${lacking.length} epochs wait; the oldest, ${oldest.epoch},`;
  return `${held}; ${which} has ${oldest.signed} of ${threshold} signatures so far`;
}
