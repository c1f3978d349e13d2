SELECT t.*, s.scale FROM inter_ledger_transfer t JOIN asset s ON s.code = t.asset WHERE t.id = $1
