SELECT epoch, kind, tx_hash, block_number
FROM outbox
WHERE book = $1 AND tx_hash IS NOT NULL
ORDER BY epoch DESC, kind DESC
LIMIT $2
