-- Sessions and commands: what people read and search. Derived from `records` after the commit, never before a decision, and
-- made again from them at any time (`holdgate sessions rebuild`): nothing here is evidence.

-- For the index on command lines. Trusted since PostgreSQL 13, so the owner of the database may create it; where it is there
-- already, no right is needed.
create extension if not exists pg_trgm;

-- How far each stream of records is read. A row is missing until the stream is first looked at.
create table session_cursors (
  stream text primary key,
  epoch date not null,
  -- The next record to read.
  next_seq bigint not null default 0,
  -- Nothing more will come: not looked at again.
  done boolean not null default false
);

create index session_cursors_open on session_cursors (stream) where not done;

create table sessions (
  id text primary key,
  -- What keeps sessions apart: a hash that always includes identity and cluster.
  key text not null,
  -- What the key was made of: the token's `sid`, the task in the path, the client, or (a child) the stream of one request.
  basis text not null check (basis in ('sid', 'task', 'client', 'stream')),
  -- The sid or the task; empty else.
  label text not null default '',
  -- An exec, attach or port-forward is a session of its own inside the one that opened it.
  parent_id text,
  -- Of a child: the request that opened it.
  request_id text,
  issuer text not null,
  subject text not null,
  username text not null,
  groups text[] not null default '{}',
  cluster text not null,
  user_agent text not null default '',
  source_ip text not null default '',
  started_at timestamptz not null,
  last_at timestamptz not null,
  requests bigint not null default 0,
  -- Of a child: what passed in it, once it ended.
  facts jsonb
);

create index sessions_key on sessions (key, started_at desc);
create index sessions_newest on sessions (started_at desc, id desc) where parent_id is null;
create index sessions_username on sessions (username, started_at desc) where parent_id is null;
create index sessions_parent on sessions (parent_id) where parent_id is not null;
create index sessions_groups on sessions using gin (groups);

-- One row is one request. Requests that belong to another one of the same command are folded into it.
create table commands (
  request_id text primary key,
  session_id text not null,
  -- One run of a client program.
  command_id text not null,
  folded_into text,
  -- Why it is folded: discovery, read, wait, page, retry.
  fold text,
  stream text not null,
  epoch date not null,
  seq bigint not null,
  ts timestamptz not null,
  cluster text not null,
  username text not null,
  verb text not null default '',
  resource text not null default '',
  namespace text not null default '',
  name text not null default '',
  verdict text not null,
  rules text[] not null default '{}',
  masked boolean not null default false,
  -- Discovery, version, OpenAPI, health.
  discovery boolean not null default false,
  code text,
  approval_id text,
  -- What is searched, never a body.
  line text not null check (char_length(line) <= 512),
  fidelity text not null check (fidelity in ('header', 'inferred', 'raw')),
  -- From the outcome; null until it is there.
  ended_at timestamptz,
  status integer,
  exit_code integer,
  -- Why not all of it is on record; null where it is, or where the request still runs.
  incomplete text
);

create index commands_line on commands using gin (line gin_trgm_ops) where folded_into is null;
create index commands_newest on commands (ts, stream, seq) where folded_into is null;
create index commands_username on commands (username, ts desc);
create index commands_namespace on commands (cluster, namespace, ts desc);
create index commands_session on commands (session_id, ts, stream, seq);
create index commands_command on commands (command_id, ts desc);
create index commands_folded on commands (folded_into) where folded_into is not null;
create index commands_open on commands (stream) where ended_at is null and incomplete is null;
create index commands_incomplete on commands (session_id) where incomplete is not null;
