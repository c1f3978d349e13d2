/** A number with its noun, for sentences that people read: "1 epoch", "2 epochs". */
export function counted(count: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count} ${BigInt(count) === 1n ? noun : plural}`;
}
