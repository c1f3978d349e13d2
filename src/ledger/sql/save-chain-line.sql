INSERT INTO chain_line (seq, time, chain_id, registry, block, tx_hash, log_index, event, account)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
