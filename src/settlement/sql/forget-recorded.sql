UPDATE outbox
SET tx_hash = NULL, block_number = NULL, block_hash = NULL, block_time = NULL, gas_used = NULL
WHERE book = $1 AND epoch = $2 AND kind = $3
