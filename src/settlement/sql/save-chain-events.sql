UPDATE chain_event e SET final = r.final, seq = r.seq
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::boolean[], $5::bigint[]) AS r (book, tx_hash, log_index, final, seq)
WHERE e.book = r.book AND e.tx_hash = r.tx_hash AND e.log_index = r.log_index
