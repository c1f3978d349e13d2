INSERT INTO wallet_used (asset, wallet, user_id, since)
SELECT asset, decode(substr(wallet, 3), 'hex'), user_id, since
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS r (asset, wallet, user_id, since)
