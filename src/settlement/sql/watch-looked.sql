-- What is final counts from here on, and stays so where the node names an earlier block later. $5 is the time of block $4
-- where that is new.
UPDATE chain_cursor
SET latest_block = $2, looked_at_ms = $3, final_block = greatest(final_block, $4),
  final_time = CASE WHEN $4 > final_block THEN $5 ELSE final_time END
WHERE book = $1
RETURNING final_block
