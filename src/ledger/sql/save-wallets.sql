UPDATE owner o SET wallet_address = w.wallet
FROM unnest($1::text[], $2::bytea[]) AS w (id, wallet)
WHERE o.id = w.id
