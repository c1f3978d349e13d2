-- Events behind ($3 block, $4 log index), oldest first, at most $5; of one kind where $2 is not null.
SELECT block, block_hash, block_time, tx_hash, log_index, contract, event, args, final, lost, seq
FROM chain_event
WHERE book = $1 AND ($2::text IS NULL OR event = $2) AND (block, log_index) > ($3, $4)
ORDER BY block, log_index
LIMIT $5
