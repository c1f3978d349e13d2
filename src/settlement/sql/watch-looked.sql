-- What is final counts from here on, and stays so where the node names an earlier block later.
UPDATE chain_cursor
SET latest_block = $2, looked_at_ms = $3,
  final_time = CASE WHEN least($4, seen_block) >= final_block THEN $5 ELSE final_time END,
  final_block = greatest(final_block, least($4, seen_block))
WHERE book = $1
RETURNING final_block
