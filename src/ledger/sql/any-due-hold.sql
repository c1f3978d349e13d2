SELECT EXISTS (SELECT 1 FROM hold WHERE expires_at <= ledger_now()) AS due
