INSERT INTO chain_entry (book, entry, tx_hash, log_index, seq, depositor, amount, owner_id, credited_as, holding_id)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::numeric[],
  $8::text[], $9::text[], $10::text[])
