-- For each account with a position: the epoch that holds its last change.
SELECT t.account, e.number AS epoch, e.status, c.tx_hash
FROM unnest($2::uuid[]) AS t (account)
JOIN position p ON p.account = t.account
LEFT JOIN LATERAL (
  SELECT seq FROM transfer
  WHERE debit_account = t.account AND phase IN ('single', 'post')
  ORDER BY seq DESC LIMIT 1
) AS debit ON true
LEFT JOIN LATERAL (
  SELECT seq FROM transfer
  WHERE credit_account = t.account AND phase IN ('single', 'post')
  ORDER BY seq DESC LIMIT 1
) AS credit ON true
LEFT JOIN LATERAL (
  SELECT number, status FROM epoch
  WHERE book = $1 AND journal_size > greatest(p.seq, debit.seq, credit.seq)
  ORDER BY journal_size LIMIT 1
) AS e ON true
LEFT JOIN outbox c ON c.book = $1 AND c.epoch = e.number AND c.kind = 'commit'
