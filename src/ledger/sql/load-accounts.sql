SELECT id, asset, role, owner, reference, debit_allowance, credit_allowance, closed, exit_demanded,
  debits_posted, credits_posted, debits_pending, credits_pending, metadata, created_at
FROM account
WHERE id = ANY ($1::uuid[])
