-- Why: what the rules of the linter cannot see through, and somebody has read and found in order, is
--      declared here with what it was like then; and with which settings roles began is noted.
-- Lock: none on existing objects; only a new table is made.
-- Undo: DROP TABLE amanah.reviewed; what was declared counts as a finding again.

-- One row for each function, materialised view, rule or setting of a role. When it is changed, or
-- gets another owner, its digest is another one, and it is a finding again.
CREATE TABLE amanah.reviewed (
    object      text        NOT NULL,
    sha256      text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    why         text        NOT NULL CHECK (why <> ''),
    declared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    declared_by name        NOT NULL DEFAULT current_user,
    PRIMARY KEY (object, sha256)
);
REVOKE ALL ON amanah.reviewed FROM PUBLIC;

-- The settings that roles have already. What one of them gets later, perhaps by a statement that was
-- injected into an application, is told apart from these.
INSERT INTO amanah.reviewed (object, sha256, why)
SELECT DISTINCT 'role ' || r.rolname || ', setting ' || pg_catalog.split_part(c.entry, '=', 1)
                    || CASE WHEN s.setdatabase <> 0 THEN ' here' ELSE '' END,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(c.entry, 'UTF8')), 'hex'),
       'it was there when the database was protected'
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
  LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
 CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c(entry)
 WHERE s.setdatabase = 0 OR d.datname = pg_catalog.current_database();
