/** Which types somebody wants: names, or prefixes with a star at the end (`lock.*`). */

/** Parts of lower-case letters, digits and underscores; the last may be a star. */
export const TYPE_PATTERN = /^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?)$/;
export const MAX_TYPE_PATTERNS = 32;

export type TypeFilter = (type: string) => boolean;

/** Whether any of `types` is one that the pattern wants. */
export function wantsAny(pattern: string, types: readonly string[]): boolean {
  return types.some(typeFilter([pattern]));
}

/** @param patterns null wants all */
export function typeFilter(patterns: readonly string[] | null): TypeFilter {
  if (patterns === null || patterns.includes("*")) return () => true;
  const names = new Set(patterns.filter((pattern) => !pattern.endsWith("*")));
  const prefixes = patterns.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  return (type) => names.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}
