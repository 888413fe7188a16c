-- The record: append-only, partitioned by day, leaf bytes stored as they were written.
-- Never change this file once it was released; a later change is a new file.

-- One stream = one gateway process on one UTC day. It is the unit of ordering: one writer, so a sequence without holes
-- and without a lock that all writers share. The row is committed before the stream's first record, so that a whole
-- stream can never have existed unnoticed.
create table streams (
  id text primary key,
  -- The UTC day of the stream; its records are in the partition of this day even if written a moment after midnight.
  epoch date not null,
  -- Which process: host and process id, for people.
  replica text not null,
  opened_at timestamptz not null,
  -- Set by an orderly end only: a stream without it ended with its process, or is still written.
  closed_at timestamptz,
  closed_size bigint
);
--> statement-breakpoint

create table records (
  epoch date not null,
  stream text not null,
  seq bigint not null,
  -- SHA-256(0x00 || bytes): the RFC 6962 leaf hash. `bytes` may be pruned by retention one day, the leaf stays.
  leaf bytea not null,
  -- The leaf itself, canonical JSON in UTF-8, exactly as hashed. Not jsonb: that reorders keys and normalises numbers.
  bytes bytea not null,
  -- Everything below is derived from `bytes`, shortened for indexes, and only for search: `bytes` is the truth.
  kind text not null,
  request_id text not null,
  ts timestamptz not null,
  cluster text not null,
  username text,
  issuer text,
  subject text,
  verb text,
  resource text,
  namespace text,
  name text,
  verdict text,
  -- `rule` and `rule/id` of every element that made the verdict or masks something.
  rules text[],
  code text,
  status integer,
  approval_id text,
  -- The day is the stream's, so the partition key is part of the key without breaking the sequence.
  primary key (epoch, stream, seq)
) partition by range (epoch);
--> statement-breakpoint

-- Only what a filter needs: each index is paid by every record, before its caller is answered.
create index records_request on records (request_id);
--> statement-breakpoint
create index records_approval on records (approval_id) where approval_id is not null;
--> statement-breakpoint
create index decisions_ts on records (ts, stream, seq) where kind = 'decision';
--> statement-breakpoint
create index decisions_username on records (username, ts) where kind = 'decision';
--> statement-breakpoint
create index decisions_namespace on records (namespace, ts) where kind = 'decision';
--> statement-breakpoint

-- A second fence beside privileges: nobody changes a record by mistake, whoever runs the statement. An owner can take it
-- away; that such a change is found out afterwards is the matter of hashes, not of triggers.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'records are append-only: % is refused', tg_op using errcode = 'insufficient_privilege';
end $$;
--> statement-breakpoint
create trigger records_keep before update or delete on records
  for each row execute function refuse_change();
--> statement-breakpoint
create trigger records_keep_all before truncate on records
  for each statement execute function refuse_change();
--> statement-breakpoint

-- Makes the partition of a day. As a function of the owner, so that the gateway's role needs INSERT and SELECT only.
-- The table is made beside `records` and attached, because CREATE TABLE ... PARTITION OF would lock out every reader and
-- writer of `records`, ATTACH does not. The advisory lock keeps replicas that cross midnight together apart.
create function open_epoch(day date) returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  partition text := 'records_' || to_char(day, 'YYYYMMDD');
begin
  -- Looked up by a query, which sees what others committed; to_regclass would answer from this session's cache.
  if exists (select from pg_class where relname = partition and relnamespace = 'public'::regnamespace) then
    return;
  end if;
  -- 'hold' in ASCII, and 1 for partitions: any constant that nothing else uses.
  perform pg_advisory_xact_lock(1752132708, 1);
  if exists (select from pg_class where relname = partition and relnamespace = 'public'::regnamespace) then
    return;
  end if;
  execute format('create table %I (like records including defaults including constraints including indexes)', partition);
  -- TRUNCATE triggers are not inherited; those for rows are made by ATTACH.
  execute format('create trigger records_keep_all before truncate on %I for each statement execute function refuse_change()', partition);
  execute format('alter table records attach partition %I for values from (%L) to (%L)', partition, day, day + 1);
end $$;
--> statement-breakpoint

-- The one row that people see: a decision with the outcome of the same request. An outcome is looked for in the days that
-- a stream may last, so that old decisions do not search every partition.
create view decisions as
select
  d.epoch, d.stream, d.seq, d.ts, d.request_id, d.cluster, d.username, d.issuer, d.subject,
  d.verb, d.resource, d.namespace, d.name, d.verdict, d.rules, d.code, d.approval_id,
  d.bytes as decision,
  o.ts as ended_at, o.status, o.code as outcome_code, o.bytes as outcome
from records d
left join lateral (
  select r.ts, r.status, r.code, r.bytes
  from records r
  where r.kind = 'outcome' and r.request_id = d.request_id and r.epoch between d.epoch - 1 and d.epoch + 31
  order by r.ts
  limit 1
) o on true
where d.kind = 'decision';
--> statement-breakpoint

-- The sources of every policy that ever decided, once per hash, so that a decision can be explained with file and line
-- after the files were changed.
create table policy_sources (
  hash text primary key,
  wasm text not null,
  compiler text not null,
  -- {"path": "text"}
  files jsonb not null,
  first_seen timestamptz not null default now()
);
--> statement-breakpoint
create trigger policy_sources_keep before update or delete on policy_sources
  for each row execute function refuse_change();
