-- An owner's accounts by (asset, role, id), those after ($2, $3, $4).
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.created_at, c.seq AS closing_seq
FROM (
  SELECT * FROM account
  WHERE owner = $1 AND (asset, role, id) > ($2, $3, $4::uuid)
  ORDER BY asset, role, id
  LIMIT $5
) AS a
LEFT JOIN LATERAL (SELECT seq FROM account_closing WHERE account = a.id OFFSET 0) AS c ON true
ORDER BY a.asset, a.role, a.id
