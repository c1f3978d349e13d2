SELECT id FROM ledger_identity
