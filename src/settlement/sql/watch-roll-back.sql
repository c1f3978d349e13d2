-- The chain took back every block above $2. What counted already (it has its line) is remembered as lost.
WITH forgotten AS (
  DELETE FROM chain_event WHERE book = $1 AND block > $2 AND seq IS NULL
), lost AS (
  UPDATE chain_event SET lost = true WHERE book = $1 AND block > $2 AND seq IS NOT NULL AND NOT lost RETURNING 1
), blocks AS (
  DELETE FROM chain_block WHERE book = $1 AND number > $2
), moved AS (
  UPDATE chain_cursor
  SET seen_block = $2, final_block = least(final_block, $2), checked_block = least(checked_block, $2),
    final_time = CASE WHEN final_block > $2 THEN 0 ELSE final_time END,
    complete_time = CASE WHEN final_block > $2 THEN 0 ELSE complete_time END
  WHERE book = $1
)
SELECT count(*) AS lost FROM lost
