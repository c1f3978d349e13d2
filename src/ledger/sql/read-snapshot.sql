-- Where the journal stands: the place of the next line, and the time a batch would get now.
SELECT next_seq AS seq, ledger_now() AS time FROM journal_head
