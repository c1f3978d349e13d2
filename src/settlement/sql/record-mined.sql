UPDATE outbox
SET tx_hash = $4, block_number = $5, block_time = $6, gas_used = $7
WHERE book = $1 AND epoch = $2 AND kind = $3
