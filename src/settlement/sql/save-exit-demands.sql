INSERT INTO exit_demand AS d (book, section, index, seq, account, key, owner, amount, due, block, swept, swept_at, swept_seq,
  served_at, served_seq)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::text[],
  $8::numeric[], $9::bigint[], $10::bigint[], $11::numeric[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
ON CONFLICT (book, section, index, seq) DO UPDATE
SET swept = excluded.swept, swept_at = excluded.swept_at, swept_seq = excluded.swept_seq,
  served_at = excluded.served_at, served_seq = excluded.served_seq
