SELECT seq, time, chain_id, registry, block, tx_hash, log_index, event
FROM chain_line
WHERE seq >= $1 AND seq < $2
ORDER BY seq
