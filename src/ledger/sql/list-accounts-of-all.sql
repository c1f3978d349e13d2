-- Accounts by id, those after $1.
SELECT a.id, a.asset, a.role, a.owner, a.reference, a.created_at, c.seq AS closing_seq
FROM (SELECT * FROM account WHERE id > $1::uuid ORDER BY id LIMIT $2) AS a
LEFT JOIN LATERAL (SELECT seq FROM account_closing WHERE account = a.id OFFSET 0) AS c ON true
ORDER BY a.id
