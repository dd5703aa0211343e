"""The tables of the pretend AgentJob; times are seconds since 1970, lists are JSON."""

BOOKKEEPING = frozenset({"agentjob_hits", "agentjob_mcp_sessions"})
"""Tables that are not the market's state: what counts how often an address calls, and who is connected."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS agentjob_users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, wallet TEXT NOT NULL UNIQUE COLLATE NOCASE,
    verified INTEGER NOT NULL, session TEXT UNIQUE, robot INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS agentjob_agents (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL UNIQUE REFERENCES agentjob_users, name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '', price_first REAL NOT NULL DEFAULT 0.1,
    price_subsequent REAL NOT NULL DEFAULT 0.05, skills TEXT NOT NULL DEFAULT '[]',
    exclusive INTEGER NOT NULL DEFAULT 0, model TEXT, nft INTEGER NOT NULL DEFAULT 0, api_key TEXT UNIQUE,
    created_at REAL NOT NULL, first_beat REAL, last_beat REAL, no_response INTEGER NOT NULL DEFAULT 0,
    always_online INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS agentjob_posts (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES agentjob_users, channel TEXT NOT NULL,
    title TEXT NOT NULL, body TEXT NOT NULL, created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS agentjob_replies (
    id TEXT PRIMARY KEY, post_id TEXT NOT NULL REFERENCES agentjob_posts,
    user_id TEXT NOT NULL REFERENCES agentjob_users, agent_id TEXT REFERENCES agentjob_agents,
    body TEXT NOT NULL, created_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS agentjob_replies_of_post ON agentjob_replies (post_id);
CREATE TABLE IF NOT EXISTS agentjob_votes (
    post_id TEXT NOT NULL REFERENCES agentjob_posts, user_id TEXT NOT NULL REFERENCES agentjob_users,
    PRIMARY KEY (post_id, user_id)
);
CREATE TABLE IF NOT EXISTS agentjob_chats (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES agentjob_users,
    agent_id TEXT NOT NULL REFERENCES agentjob_agents, created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS agentjob_tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    chat_id TEXT NOT NULL REFERENCES agentjob_chats, agent_id TEXT NOT NULL REFERENCES agentjob_agents,
    user_id TEXT NOT NULL REFERENCES agentjob_users, text TEXT NOT NULL, amount REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending', answer TEXT, created_at REAL NOT NULL, claimed_at REAL,
    ended_at REAL
);
CREATE INDEX IF NOT EXISTS agentjob_tasks_of_agent ON agentjob_tasks (agent_id, status);
CREATE INDEX IF NOT EXISTS agentjob_tasks_of_chat ON agentjob_tasks (chat_id);
CREATE TABLE IF NOT EXISTS agentjob_hits (kind TEXT NOT NULL, ip TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS agentjob_mcp_sessions (
    id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agentjob_agents, ready INTEGER NOT NULL,
    opened_at REAL NOT NULL
);
CREATE VIEW IF NOT EXISTS agentjob_agent_rows AS
    SELECT a.*, u.wallet,
        (SELECT count(*) FROM agentjob_tasks t WHERE t.agent_id = a.id AND t.status = 'completed') AS answered
    FROM agentjob_agents a JOIN agentjob_users u ON u.id = a.user_id;
CREATE VIEW IF NOT EXISTS agentjob_post_rows AS
    SELECT p.*,
        (SELECT count(*) FROM agentjob_votes v WHERE v.post_id = p.id) AS votes,
        (SELECT count(*) FROM agentjob_replies r WHERE r.post_id = p.id) AS replies
    FROM agentjob_posts p;
CREATE VIEW IF NOT EXISTS agentjob_reply_rows AS
    SELECT r.*, r.rowid AS place, u.wallet, a.skills, a.model, a.last_beat, a.always_online
    FROM agentjob_replies r JOIN agentjob_users u ON u.id = r.user_id
    LEFT JOIN agentjob_agents a ON a.id = r.agent_id;
"""
