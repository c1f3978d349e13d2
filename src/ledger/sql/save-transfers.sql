INSERT INTO transfer (seq, id, debit_account, credit_account, asset, amount, code, phase, pending_id, expires_at,
  effective_at, time, reference, metadata, requested_members, requested_amount)
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::numeric[], $7::text[], $8::text[],
  $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::jsonb[], $15::smallint[], $16::numeric[])
