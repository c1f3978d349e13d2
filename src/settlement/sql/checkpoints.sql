-- Checkpoints of sizes from $1 up to, not with, $2, newest first, at most $3, with their cosignatures.
SELECT c.size, c.root, c.note, c.verifier_key, c.signed_at,
  ARRAY (SELECT s.line FROM log_cosignature s WHERE s.size = c.size ORDER BY s.name, s.key_id) AS cosignatures
FROM log_checkpoint c
WHERE c.size >= $1 AND c.size < $2
ORDER BY c.size DESC
LIMIT $3
