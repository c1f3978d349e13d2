INSERT INTO book (asset, chain_id, registry, token, custodians, deployed_block)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (chain_id, registry) DO NOTHING
