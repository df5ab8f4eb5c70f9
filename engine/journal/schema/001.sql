-- Version 1. Times are milliseconds since 1970 UTC, 0 is none; took is microseconds.
-- Statuses are numbers from 2 (status.go), so that a change of status never changes the size of a row.

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value NOT NULL
) WITHOUT ROWID;

-- Words that many rows share: routes, sources, rule-set versions, labels, operations, systems.
CREATE TABLE name (
	id   INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE
);

-- One narrow row for each message. The bodies are elsewhere.
CREATE TABLE message (
	seq      INTEGER PRIMARY KEY,
	id       NOT NULL,              -- 16 bytes of a UUID, or any other id as text
	status   INTEGER NOT NULL,
	route    INTEGER NOT NULL,
	received INTEGER NOT NULL,
	changed  INTEGER NOT NULL,
	flags    INTEGER NOT NULL,      -- what else there is of this message (state.go)
	rules    INTEGER NOT NULL,
	source   INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	parent   INTEGER NOT NULL,
	due      INTEGER NOT NULL DEFAULT 0,
	since    INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	about    BLOB                   -- keys, headers and the like, packed (about.go)
);
CREATE INDEX message_id ON message (id);
-- Finds the open work, the last failed ones of a route, and the oldest of each status.
CREATE INDEX message_state ON message (status, route);
CREATE INDEX message_parent ON message (parent) WHERE parent > 0;

CREATE TABLE body (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE edit (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- The trace of the last run, and where it waits.
CREATE TABLE run (seq INTEGER PRIMARY KEY, trace BLOB, gate BLOB);

-- What is wrong with a message that waits or failed.
CREATE TABLE trouble (
	seq    INTEGER PRIMARY KEY,
	class  TEXT NOT NULL,
	system INTEGER NOT NULL,
	map    TEXT NOT NULL,
	code   TEXT NOT NULL,
	error  TEXT NOT NULL
);
CREATE INDEX trouble_class ON trouble (class);
CREATE INDEX trouble_system ON trouble (system) WHERE system > 0;
CREATE INDEX trouble_map ON trouble (map) WHERE map <> '';
CREATE VIRTUAL TABLE error_text USING fts5 (error, content='', contentless_delete=1);

-- key is seq * 2^20 + the delivery's number. at, took and code are those of the last attempt: one that went well has
-- no row in attempt.
CREATE TABLE delivery (
	key       INTEGER PRIMARY KEY,
	id        NOT NULL,
	label     INTEGER NOT NULL,
	operation INTEGER NOT NULL,
	status    INTEGER NOT NULL,
	attempts  INTEGER NOT NULL,
	at        INTEGER NOT NULL DEFAULT 0,
	took      INTEGER NOT NULL DEFAULT 0,
	code      INTEGER NOT NULL DEFAULT 0,
	due       INTEGER NOT NULL DEFAULT 0,
	since     INTEGER NOT NULL DEFAULT 0,
	class     TEXT,
	error     TEXT,
	content   BLOB,                 -- with, type and body, packed
	answer    BLOB
);

-- key is seq * 2^20 + a running number.
CREATE TABLE attempt (
	key     INTEGER PRIMARY KEY,
	n       INTEGER NOT NULL,
	number  INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	took    INTEGER NOT NULL,
	status  INTEGER NOT NULL,
	message INTEGER NOT NULL,
	system  INTEGER NOT NULL,
	code    INTEGER NOT NULL,
	due     INTEGER NOT NULL,
	since   INTEGER NOT NULL,
	class   TEXT,
	error   TEXT,
	answer  BLOB
);

CREATE TABLE call (
	key       INTEGER PRIMARY KEY,
	label     INTEGER NOT NULL,
	operation INTEGER NOT NULL,
	digest    TEXT NOT NULL,
	at        INTEGER NOT NULL,
	status    INTEGER NOT NULL,
	answer    BLOB
);

-- Ids that a route has accepted, by the hash of both. until counts once the message itself is forgotten.
CREATE TABLE known (
	hash     BLOB PRIMARY KEY,
	seq      INTEGER NOT NULL,
	remember INTEGER NOT NULL,
	until    INTEGER NOT NULL
) WITHOUT ROWID;

-- Values that dedupe steps have confirmed.
CREATE TABLE seen (
	hash  BLOB PRIMARY KEY,
	until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursor (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE mark (cursor TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (cursor, name)) WITHOUT ROWID;

-- Which messages may have a key: a hash within each 2^14 messages (keys.go). It lags a little; meta keys_to says where.
CREATE TABLE key (
	hash INTEGER,
	seq  INTEGER,
	PRIMARY KEY (hash, seq)
) WITHOUT ROWID;

-- When the messages of each 2^10 numbers were received.
CREATE TABLE span (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);

CREATE TABLE count (
	route  INTEGER,
	status INTEGER,
	n      INTEGER NOT NULL,
	PRIMARY KEY (route, status)
) WITHOUT ROWID;

CREATE TABLE rules (version TEXT PRIMARY KEY, at INTEGER NOT NULL, files BLOB NOT NULL);

CREATE TABLE action (
	n      INTEGER PRIMARY KEY AUTOINCREMENT,
	at     INTEGER NOT NULL,
	who    TEXT NOT NULL,
	what   TEXT NOT NULL,
	seq    INTEGER NOT NULL,
	reason TEXT NOT NULL
);
CREATE INDEX action_seq ON action (seq) WHERE seq > 0;

-- Bodies too large for a row, in files of their own (large.go).
CREATE TABLE large (hash BLOB PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER NOT NULL) WITHOUT ROWID;
