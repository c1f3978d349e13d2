SELECT o.id, o.salt, o.wallet_address, w.wallets
FROM owner o
LEFT JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_array(asset, encode(wallet, 'hex'), encode(proof, 'hex'))) AS wallets
  FROM owner_wallet WHERE owner = o.id OFFSET 0
) AS w ON true
WHERE o.id = ANY ($1::text[])
