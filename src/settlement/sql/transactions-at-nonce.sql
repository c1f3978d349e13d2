-- What this ledger's books ever signed with $2's nonce $3 on chain $1, the highest offer first.
SELECT t.book, t.kind, t.subject, t.max_fee_per_gas, t.max_priority_fee_per_gas
FROM settlement_tx t
JOIN book b ON b.id = t.book
WHERE t.sender = $2 AND t.nonce = $3 AND b.chain_id = $1
ORDER BY t.max_fee_per_gas DESC
