INSERT INTO wallet_owner (wallet, user_id, bound_at, linked_at)
SELECT decode(substr(wallet, 3), 'hex'), user_id, bound_at, linked_at
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS r (wallet, user_id, bound_at, linked_at)
ON CONFLICT (wallet) DO UPDATE SET linked_at = excluded.linked_at
