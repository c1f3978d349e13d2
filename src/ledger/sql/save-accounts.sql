INSERT INTO account (id, asset, role, owner, reference, debit_allowance, credit_allowance, metadata, created_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[],
  $8::jsonb[], $9::bigint[])
