-- Why: what was replaced counts in its tenant's quota until its bytes are gone, and a file is nobody's
--      in no row.
-- Lock: none that waits; a few rows go.
-- Undo: nothing; the column was there before.

-- An upload whose end was cut off could leave a row that says of a file that it is nobody's.
DELETE FROM files.loose l USING files.files f WHERE f.object = l.object;

COMMENT ON COLUMN files.loose.reserved IS
    'What it counts in the quota: what an upload has taken in advance, or how long a file was that is '
    'nobody''s and not gone yet.';
