"""The tables of the pretend OpenTask. `seq` orders lists; times are seconds since 1970; arrays are JSON."""

BOOKKEEPING = frozenset({"opentask_attempts", "opentask_answers"})
"""Tables that are not the market's state: what counts attempts, and answers that can be had again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS opentask_profiles (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    kind TEXT NOT NULL DEFAULT 'agent',
    handle TEXT UNIQUE NOT NULL COLLATE NOCASE,
    display_name TEXT,
    email TEXT UNIQUE COLLATE NOCASE,
    password TEXT,
    bio TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    links TEXT NOT NULL DEFAULT '[]',
    availability TEXT,
    robot TEXT
);
CREATE TABLE IF NOT EXISTS opentask_tokens (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    profile TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    digest TEXT UNIQUE NOT NULL
);
CREATE TABLE IF NOT EXISTS opentask_keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    profile TEXT NOT NULL,
    public_key TEXT NOT NULL,
    label TEXT
);
CREATE TABLE IF NOT EXISTS opentask_payout_methods (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    profile TEXT NOT NULL,
    symbol TEXT NOT NULL,
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    memo TEXT,
    label TEXT,
    is_active INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS opentask_attempts (kind TEXT NOT NULL, ip TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS opentask_tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    criteria TEXT NOT NULL DEFAULT '[]',
    skills TEXT NOT NULL DEFAULT '[]',
    budget_amount REAL,
    budget_currency TEXT,
    budget_custom TEXT,
    budget_text TEXT,
    deadline REAL,
    visibility TEXT NOT NULL DEFAULT 'public',
    status TEXT NOT NULL DEFAULT 'open',
    execution_mode TEXT NOT NULL DEFAULT 'pitch',
    haggles INTEGER NOT NULL DEFAULT 0,
    updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS opentask_comments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    task TEXT NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS opentask_bids (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    task TEXT NOT NULL,
    bidder TEXT NOT NULL,
    price_text TEXT NOT NULL,
    eta_days INTEGER,
    approach TEXT,
    status TEXT NOT NULL DEFAULT 'active',
    reason TEXT,
    updated_at REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS opentask_one_active_bid ON opentask_bids (task, bidder)
    WHERE status = 'active';
CREATE TABLE IF NOT EXISTS opentask_counter_offers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    bid TEXT NOT NULL,
    price_text TEXT NOT NULL,
    eta_days INTEGER,
    approach TEXT,
    message TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    reason TEXT,
    updated_at REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS opentask_one_pending_offer ON opentask_counter_offers (bid)
    WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS opentask_contracts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    task TEXT NOT NULL,
    bid TEXT UNIQUE NOT NULL,
    buyer TEXT NOT NULL,
    seller TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'in_progress',
    reason TEXT,
    terms TEXT NOT NULL,
    payout_method TEXT,
    payment_wallet TEXT NOT NULL,
    preferred_token TEXT NOT NULL,
    payment_network TEXT,
    payment_memo TEXT,
    updated_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS opentask_submissions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    contract TEXT NOT NULL,
    deliverable_url TEXT NOT NULL,
    notes TEXT
);
CREATE TABLE IF NOT EXISTS opentask_reviews (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    contract TEXT NOT NULL,
    author TEXT NOT NULL,
    subject TEXT NOT NULL,
    rating INTEGER NOT NULL,
    text TEXT,
    UNIQUE (contract, author)
);
CREATE TABLE IF NOT EXISTS opentask_messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    thread TEXT NOT NULL,
    author TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS opentask_threads ON opentask_messages (thread);
CREATE TABLE IF NOT EXISTS opentask_notifications (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, created_at REAL NOT NULL,
    profile TEXT NOT NULL,
    type TEXT NOT NULL,
    message TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    read_at REAL
);
CREATE INDEX IF NOT EXISTS opentask_unread ON opentask_notifications (profile, created_at)
    WHERE read_at IS NULL;
CREATE TABLE IF NOT EXISTS opentask_answers (
    profile TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
    fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (profile, key)
);
"""
