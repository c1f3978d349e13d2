-- The newest blocks at or below $2, newest first, at most $3.
SELECT number, hash FROM chain_block WHERE book = $1 AND number <= $2 ORDER BY number DESC LIMIT $3
