-- Why: files that an import makes are known one by one, so that where it does not end well these go and no others of the tenant.
-- Lock: none that waits; every object is new.
-- Undo: DROP TABLE tenancy.made_files; files of an import that was begun then stay until somebody removes them.

CREATE TABLE tenancy.made_files (
    id    text  NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 128),
    -- The database that the tenant comes to: its own, or a shared one.
    place text  NOT NULL,
    -- Which file of this name: whatever was written in its place has another one.
    etag  text  NOT NULL,
    name  bytea NOT NULL,
    PRIMARY KEY (id, place, etag)
);

COMMENT ON TABLE tenancy.made_files IS
    'Files that imports have made which have not come to their end.';
