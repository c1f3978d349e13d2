-- The system's accounts in one role, one an asset, by asset: those after $2.
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.created_at, NULL::bigint AS closing_seq
FROM account a
WHERE a.role = $1 AND a.role IN ('treasury', 'issuance', 'custody', 'revenue', 'burned') AND a.asset > $2
ORDER BY a.asset
LIMIT $3
