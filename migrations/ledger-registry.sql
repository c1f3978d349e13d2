-- Which ledgers there are beside the default one. A table of the database, not of
-- a ledger: made by the first `anchorbook ledger create`, in a schema of its own,
-- as the owner. Nothing of a ledger refers to it.
CREATE TABLE IF NOT EXISTS ledger_registry (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  schema_name text NOT NULL UNIQUE CHECK (schema_name = 'ledger_' || name),
  -- Only one that is open is served. `creating`, `arriving`: being made, being moved here; `leaving`, `moved`: being
  -- moved away, and gone. What was cut off goes on when it is called again.
  state text NOT NULL CHECK (state IN ('creating', 'open', 'arriving', 'leaving', 'moved')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
