UPDATE outbox
SET tx_hash = $4, block_number = $5, block_hash = $6, block_time = $7, gas_used = $8
WHERE book = $1 AND epoch = $2 AND kind = $3
