/**
 * The one error of the format: bytes or values that version 1 does not allow.
 * `where` names the member or place ("leaf.amount"), the message says what is
 * wrong with it. It carries no HTTP and no exit code; callers map it.
 */
export class FormatError extends Error {
  readonly where: string;

  constructor(where: string, reason: string) {
    super(where === "" ? reason : `${where} ${reason}`);
    this.name = "FormatError";
    this.where = where;
  }
}
