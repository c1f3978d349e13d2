SELECT id, asset, chain_id, registry, token, custodians, deployed_block
FROM book
WHERE chain_id = $1 AND registry = $2
