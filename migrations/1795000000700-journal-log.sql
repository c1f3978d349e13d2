-- The journal as a log that anybody can check: the tiles of its Merkle tree, the
-- checkpoints that were signed over it, and who else has seen them. All of it is
-- only ever added to.

-- Neighbouring hashes of every eighth level of the tree (RFC 6962, SHA-256): at level
-- 0 those of lines 256 × index and on, at level n those of whole tiles of level n - 1.
CREATE TABLE log_tile (
  level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  index bigint NOT NULL CHECK (index >= 0),
  hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  PRIMARY KEY (level, index)
);
-- Hashes do not get smaller by compression.
ALTER TABLE log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- A tile follows a full one, and goes on as it began.
CREATE FUNCTION guard_log_tile() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.level, NEW.index) <> (OLD.level, OLD.index)
      OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes THEN
      RAISE EXCEPTION 'tile %/% does not go on as it began', OLD.level, OLD.index
        USING ERRCODE = 'AB007', CONSTRAINT = 'log_tile_grows';
    END IF;
  ELSIF NEW.index > 0 AND NOT EXISTS (
    SELECT 1 FROM log_tile t WHERE t.level = NEW.level AND t.index = NEW.index - 1 AND length(t.hashes) = 8192
  ) THEN
    RAISE EXCEPTION 'tile %/% does not follow a full one', NEW.level, NEW.index
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_tile_follows';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_log_tile BEFORE INSERT OR UPDATE ON log_tile FOR EACH ROW EXECUTE FUNCTION guard_log_tile();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON log_tile
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What the log says of itself, signed: so many lines, this root. Written in the
-- transaction that closes an epoch over them.
CREATE TABLE log_checkpoint (
  size bigint PRIMARY KEY CHECK (size > 0),
  root bytea NOT NULL CHECK (length(root) = 32),
  -- A signed note with the log's own signature.
  note text NOT NULL,
  -- The key that it was signed with.
  verifier_key text NOT NULL,
  signed_at bigint NOT NULL
);

-- A checkpoint never goes back, and never speaks of lines that are not there.
CREATE FUNCTION guard_log_checkpoint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.size < coalesce((SELECT max(c.size) FROM log_checkpoint c), 0)
    OR NEW.size > (SELECT next_seq FROM journal_head) THEN
    RAISE EXCEPTION 'a checkpoint of % lines does not follow the last one', NEW.size
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_checkpoint_follows';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_log_checkpoint BEFORE INSERT ON log_checkpoint
  FOR EACH ROW EXECUTE FUNCTION guard_log_checkpoint();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Witnesses that saw a checkpoint, each with its newest signature: one row a witness,
-- and only of witnesses that the settings name.
CREATE TABLE log_cosignature (
  size bigint NOT NULL REFERENCES log_checkpoint,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  key_id bytea NOT NULL CHECK (length(key_id) = 4),
  -- The witness's own time, in Unix seconds.
  time bigint NOT NULL CHECK (time >= 0),
  -- The signature line of the note, without its newline.
  line text NOT NULL CHECK (length(line) <= 512),
  PRIMARY KEY (size, name, key_id)
);
CREATE FUNCTION guard_log_cosignature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.size, NEW.name, NEW.key_id) <> (OLD.size, OLD.name, OLD.key_id) OR NEW.time <= OLD.time THEN
    RAISE EXCEPTION 'a cosignature is replaced by a later one of its witness alone'
      USING ERRCODE = 'AB007', CONSTRAINT = 'log_cosignature_later';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_log_cosignature BEFORE UPDATE ON log_cosignature
  FOR EACH ROW EXECUTE FUNCTION guard_log_cosignature();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON log_cosignature
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DO $$ BEGIN
  EXECUTE format('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END $$;
GRANT SELECT, INSERT ON log_tile TO anchorbook_app;
GRANT UPDATE (hashes) ON log_tile TO anchorbook_app;
GRANT SELECT, INSERT ON log_checkpoint, log_cosignature TO anchorbook_app;
GRANT UPDATE (time, line) ON log_cosignature TO anchorbook_app;
