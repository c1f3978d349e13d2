SELECT e.book, e.tx_hash, e.log_index, e.final, e.seq, e.block
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS k (book, tx_hash, log_index)
JOIN chain_event e ON e.book = k.book AND e.tx_hash = k.tx_hash AND e.log_index = k.log_index
