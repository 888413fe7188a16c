-- Approvals: the one truth about held requests. Slack cards, console and command line are views of these rows.
create table approvals (
  id text primary key,
  state text not null check (state in (
    'PENDING', 'APPROVED', 'DENIED', 'EXPIRED', 'CANCELLED', 'STALE', 'EXECUTING', 'LAPSED', 'REVOKED', 'EXECUTED',
    'FAILED', 'UNKNOWN')),
  -- Grows with every change: a vote names the version that its voter saw.
  version integer not null default 1,
  cluster text not null,
  digest text not null,
  requester_issuer text not null,
  requester_subject text not null,
  -- What never changes after the approval was opened: requester, summary, requirements, guard, policy.
  document jsonb not null,
  opened_by text not null,
  executed_by text,
  created_at timestamptz not null default clock_timestamp(),
  decide_by timestamptz not null,
  spend_by timestamptz,
  ended_at timestamptz,
  outcome text not null default '',
  -- The right to execute: the fence tells one claim from a later one, the lease ends when its holder no longer renews it.
  fence bigint not null default 0,
  lease_until timestamptz
);

-- An identical request of the same requester joins the open approval: two can never be open at once.
create unique index approvals_open on approvals (cluster, requester_issuer, requester_subject, digest)
  where state in ('PENDING', 'APPROVED');

create index approvals_newest on approvals (created_at desc, id desc);

-- What the sweeper looks for.
create index approvals_due on approvals (state) where state in ('PENDING', 'APPROVED', 'EXECUTING');

create table votes (
  approval_id text not null references approvals (id),
  issuer text not null,
  subject text not null,
  username text not null,
  vote text not null check (vote in ('approve', 'deny')),
  reason text not null,
  at timestamptz not null default clock_timestamp(),
  -- A person votes once, whatever two clicks race.
  primary key (approval_id, issuer, subject)
);
