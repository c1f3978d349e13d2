INSERT INTO wallet_user (user_id, asset, key, number, wallet, linked_by, linked_at, carried,
  announced_wallet, announced_number, announced_at, announcement)
SELECT user_id, asset, decode(substr(key, 3), 'hex'), number, decode(substr(wallet, 3), 'hex'), linked_by, linked_at, carried,
  decode(substr(announced_wallet, 3), 'hex'), announced_number, announced_at, announcement
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::boolean[],
  $9::text[], $10::bigint[], $11::bigint[], $12::text[]) AS r (user_id, asset, key, number, wallet, linked_by, linked_at,
  carried, announced_wallet, announced_number, announced_at, announcement)
ON CONFLICT (user_id, asset) DO UPDATE SET number = excluded.number, wallet = excluded.wallet,
  linked_by = excluded.linked_by, linked_at = excluded.linked_at, carried = excluded.carried,
  announced_wallet = excluded.announced_wallet, announced_number = excluded.announced_number,
  announced_at = excluded.announced_at, announcement = excluded.announcement
