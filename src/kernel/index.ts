/** The kernel: amounts, time, ids and errors. No I/O, imports nothing of the project. */
export { AMOUNT_LIMIT, type Amount, formatAmount, parseAmount, parseAmountOfAnySize } from "./amount.ts";
export { type Clock, SECONDS_PER_DAY, systemClock, toRfc3339, type UnixSeconds, utcDay } from "./clock.ts";
export { counted } from "./counted.ts";
export { DomainError, type ErrorCode } from "./domain-error.ts";
export { type Ids, systemIds } from "./ids.ts";
export { Remembered } from "./remembered.ts";
