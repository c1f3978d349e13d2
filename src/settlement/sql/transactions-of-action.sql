-- Everything ever signed for an action ($2 kind, $3 subject) by $4; by anybody where it is null.
SELECT hash, nonce, raw, max_fee_per_gas, max_priority_fee_per_gas
FROM settlement_tx
WHERE book = $1 AND kind = $2 AND subject = $3 AND ($4::text IS NULL OR sender = $4)
ORDER BY nonce DESC, max_fee_per_gas DESC
