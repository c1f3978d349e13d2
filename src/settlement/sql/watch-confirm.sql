-- Blocks behind $2 up to $3 count from here on: what happened in them was asked for twice. $4 is the time of block $3.
WITH moved AS (
  UPDATE chain_cursor SET final_block = $3, final_time = $4
  WHERE book = $1 AND final_block = $2 AND seen_block >= $3 RETURNING 1
)
SELECT count(*) AS moved FROM moved
