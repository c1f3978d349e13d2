SELECT a.reference AS ledger_id, a.asset, s.scale, a.credits_posted AS sent, a.credits_pending AS pending,
  a.debits_posted AS received
FROM account a JOIN asset s ON s.code = a.asset
WHERE a.role = 'clearing' ORDER BY a.reference, a.asset
