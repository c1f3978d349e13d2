SELECT to_ledger, count(*) AS count, min(sent_at) AS oldest_sent_at FROM inter_ledger_transfer
WHERE state = 'pending' GROUP BY to_ledger
