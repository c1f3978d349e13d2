-- What was recorded last on the chain, by block.
SELECT epoch, kind, tx_hash, block_number, block_hash
FROM outbox
WHERE book = $1 AND tx_hash IS NOT NULL
ORDER BY block_number DESC
LIMIT 1
