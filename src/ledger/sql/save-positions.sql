INSERT INTO position_change (seq, time, account, asset, section, index, key, owner, valid_until, kind, quantity, signatures)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::smallint[], $6::bigint[], $7::bytea[],
  $8::bytea[], $9::bigint[], $10::bigint[], $11::bigint[], $12::jsonb[])
