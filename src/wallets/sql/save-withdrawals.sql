INSERT INTO withdrawal (id, user_id, asset, account, transfer, wallet, amount, total, created_at)
SELECT id, user_id, asset, account, transfer, decode(substr(wallet, 3), 'hex'), amount, total, created_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::numeric[], $8::numeric[],
  $9::bigint[]) WITH ORDINALITY
  AS r (id, user_id, asset, account, transfer, wallet, amount, total, created_at, ordinality)
ORDER BY ordinality
