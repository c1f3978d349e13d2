/** A start that is refused for a reason outside this program; its message says what to do. */
export class StartRefused extends Error {}
