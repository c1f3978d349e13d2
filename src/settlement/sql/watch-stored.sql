-- Where the events lie that were seen in the blocks behind $2 up to $3.
SELECT block, block_hash, tx_hash, log_index FROM chain_event
WHERE book = $1 AND block > $2 AND block <= $3 AND NOT lost
ORDER BY block, log_index
