-- Webhooks. An endpoint and its wishes are written by units of work, so that they
-- have idempotency keys and events of their own; how far it was delivered to is
-- the deliverers' and is changed beside the journal, by whoever holds its lease.
-- Times of delivery are wall time: a test clock moves the ledger, not the network.

CREATE TABLE webhook (
  id text PRIMARY KEY,
  url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
  -- Types or prefixes (`lock.*`); NULL: all.
  types text[] CHECK (cardinality(types) BETWEEN 1 AND 32),
  created_by text NOT NULL,
  created_at bigint NOT NULL,
  -- A replay is asked for by a higher number and where to begin.
  replays integer NOT NULL DEFAULT 0,
  replay_from bigint CHECK (replay_from >= 1),
  deleted_at bigint,
  CONSTRAINT webhook_replay_from CHECK ((replays = 0) = (replay_from IS NULL))
);

-- Apart, so that no statement that lists endpoints carries it, and made here, so
-- that it is never a parameter of one.
CREATE TABLE webhook_secret (
  webhook text PRIMARY KEY REFERENCES webhook,
  secret text NOT NULL DEFAULT 'whsec_' || encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')
);

CREATE TABLE webhook_delivery (
  webhook text PRIMARY KEY REFERENCES webhook,
  -- Every event up to here was delivered, passed over for its type, or became a dead letter.
  after_seq bigint NOT NULL CHECK (after_seq >= 0),
  -- The newest replay that after_seq knows of.
  replays integer NOT NULL DEFAULT 0,
  delivered_seq bigint,
  delivered_at timestamptz,
  -- Of the event after after_seq.
  attempts integer NOT NULL DEFAULT 0,
  -- In a row, since something was delivered.
  failures integer NOT NULL DEFAULT 0,
  failing_since timestamptz,
  last_error text,
  next_attempt_at timestamptz NOT NULL DEFAULT '-infinity',
  -- Who delivers now, and until when nobody else may.
  lease uuid,
  lease_until timestamptz
) WITH (fillfactor = 20);

CREATE TABLE webhook_dead_letter (
  webhook text NOT NULL REFERENCES webhook,
  seq bigint NOT NULL,
  attempts integer NOT NULL,
  error text NOT NULL,
  died_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (webhook, seq)
);

-- An endpoint is told of what happens after it was made, beginning with that it was made.
CREATE FUNCTION open_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO webhook_secret (webhook) VALUES (NEW.id);
  INSERT INTO webhook_delivery (webhook, after_seq) SELECT NEW.id, h.next_event - 1 FROM journal_head h;
  RETURN NULL;
END $$;
CREATE TRIGGER open_webhook AFTER INSERT ON webhook FOR EACH ROW EXECUTE FUNCTION open_webhook();

-- A deleted endpoint keeps no secret and is never revived.
CREATE FUNCTION close_webhook() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.deleted_at IS NOT NULL THEN
    RAISE EXCEPTION 'webhook % was deleted', OLD.id USING ERRCODE = 'AB014', CONSTRAINT = 'webhook_deleted';
  END IF;
  IF NEW.deleted_at IS NOT NULL THEN
    DELETE FROM webhook_secret WHERE webhook = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER close_webhook AFTER UPDATE ON webhook FOR EACH ROW EXECUTE FUNCTION close_webhook();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT ON webhook, webhook_secret, webhook_delivery, webhook_dead_letter TO anchorbook_app;
GRANT INSERT, UPDATE (replays, replay_from, deleted_at) ON webhook TO anchorbook_app;
GRANT UPDATE ON webhook_delivery TO anchorbook_app;
GRANT INSERT, UPDATE (attempts, error, died_at), DELETE ON webhook_dead_letter TO anchorbook_app;
